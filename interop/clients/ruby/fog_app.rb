# Document 002's application as a process that stays: one command a line on stdin, one line of JSON for each on stdout.
# The endpoint is in HOME's `.fog`; credentials are what Fog fetches by itself.
#
#   put BUCKET KEY TEXT | get BUCKET KEY | key | near-expiry
#
# `near-expiry` sets Fog's own clock (`Fog::Time.now=`, which Fog itself sets when a server says its clock is wrong) to
# ten seconds before the credentials end, lets Fog's rule decide (it fetches from 15 s before), and sets the clock back:
# requests are signed with the real time. Nothing of Fog is replaced.
require "json"
require "fog/aws"
# Fog::Storage::AWS, in the document; Fog renamed it. With `use_iam_profile` Fog reads nothing from `.fog`, so where the
# endpoint is, is said here; what the document says is the first line.
storage = Fog::AWS::Storage.new :use_iam_profile => true,
                                **Fog.credentials.slice(:host, :port, :scheme, :path_style, :region)

$stdout.sync = true
$stdin.each_line do |line|
  command, bucket, key, text = line.chomp.split(" ", 4)
  answer =
    begin
      case command
      when "put" then storage.put_object(bucket, key, text) && {}
      when "get" then { "text" => storage.get_object(bucket, key).body }
      when "key" then { "key" => storage.instance_variable_get(:@aws_access_key_id) }
      when "near-expiry"
        expire_at = storage.instance_variable_get(:@aws_credentials_expire_at)
        Fog::Time.now = expire_at - 10
        fetched = storage.refresh_credentials_if_expired
        Fog::Time.now = Time.now
        { "fetched" => !!fetched }
      end.merge("ok" => true)
    rescue StandardError => error
      body = error.respond_to?(:response) && error.response ? error.response.body : ""
      { "ok" => false, "error" => "#{error.class}: #{error.message} #{body}" }
    end
  puts JSON.generate(answer)
end
