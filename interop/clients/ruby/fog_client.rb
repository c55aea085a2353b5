# Fog (Debian's ruby-fog-aws) as a client: operations as JSON on stdin, results as JSON on stdout.
# `:use_iam_profile => true`, as document 002 prints it.
require "json"
require "uri"
require "fog/aws"

endpoint = URI.parse(ENV.fetch("AWS_ENDPOINT_URL"))
storage = nil
# Looks for credentials at once, so it can fail like any operation.
connect = lambda do
  storage ||= Fog::Storage.new(
    provider: "AWS",
    use_iam_profile: true,
    region: ENV.fetch("AWS_REGION"),
    host: endpoint.host,
    port: endpoint.port,
    scheme: endpoint.scheme,
    path_style: true
  )
end

results = JSON.parse($stdin.read).map do |op|
  outcome = {}
  connect.call
  case op["op"]
  when "put"
    File.open(op["file"], "rb") { |file| storage.put_object(op["bucket"], op["key"], file) }
  when "get"
    File.open(op["file"], "wb") do |file|
      storage.get_object(op["bucket"], op["key"]) { |chunk, _left, _total| file.write(chunk) }
    end
  when "list"
    keys, marker = [], nil
    loop do
      page = storage.get_bucket(op["bucket"], { "prefix" => op["prefix"], "marker" => marker }.compact).body
      keys.concat(page["Contents"].map { |entry| entry["Key"] })
      break unless page["IsTruncated"]
      marker = page["Contents"].last["Key"]
    end
    outcome["keys"] = keys
  when "delete"
    storage.delete_object(op["bucket"], op["key"])
  when "presign"
    outcome["url"] = storage.get_object_url(op["bucket"], op["key"], Time.now.to_i + 300)
  end
  outcome.merge("ok" => true)
rescue StandardError => error
  body = error.respond_to?(:response) && error.response ? error.response.body : ""
  { "ok" => false, "error" => "#{error.class}: #{error.message} #{body}" }
end
puts JSON.generate(results)
