# AWS's SDK for Ruby (Debian's ruby-aws-sdk-s3) as a client: operations as JSON on stdin, results as JSON on stdout.
# Debian's is older than AWS_ENDPOINT_URL; region and credentials are what it finds by itself.
require "json"
require "aws-sdk-s3"

# It takes the host from there, and port 80 whatever stands there: a machine's own address has that port.
ENV.delete("AWS_EC2_METADATA_SERVICE_ENDPOINT")

client = nil
connect = -> { client ||= Aws::S3::Client.new(endpoint: ENV.fetch("AWS_ENDPOINT_URL"), force_path_style: true) }

results = JSON.parse($stdin.read).map do |op|
  outcome = {}
  object = Aws::S3::Object.new(op["bucket"], op["key"], client: connect.call) if op["key"]
  case op["op"]
  when "put"
    # In parts from this size.
    object.upload_file(op["file"], multipart_threshold: 5 * 1024 * 1024)
  when "get"
    object.download_file(op["file"])
  when "list"
    pages = connect.call.list_objects_v2(bucket: op["bucket"], prefix: op["prefix"])
    outcome["keys"] = pages.flat_map { |page| page.contents.map(&:key) }
  when "delete"
    object.delete
  when "credentials"
    held = connect.call.config.credentials
    raise Aws::Errors::MissingCredentialsError unless held
    outcome["access_key"] = held.credentials.access_key_id
    outcome["expires"] = held.expiration&.utc&.iso8601 if held.respond_to?(:expiration)
  when "presign"
    outcome["url"] = object.presigned_url(:get, expires_in: 300)
  end
  outcome.merge("ok" => true)
rescue StandardError => error
  { "ok" => false, "error" => "#{error.class}: #{error.message}" }
end
puts JSON.generate(results)
