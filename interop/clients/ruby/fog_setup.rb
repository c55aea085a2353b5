# Document 002's code as printed: the profile, the role, its policy, and an instance. Keys and endpoint come from the
# `.fog` file in HOME, as the document assumes. Prints the instance's id.
require "fog/aws"
# The document's Fog::Compute::AWS has become Fog::AWS::Compute; in this release the old name is still there, but has lost
# the settings of `.fog` (it inherits from the new one, whose list of settings is not inherited).

iam = Fog::AWS::IAM.new
iam.create_instance_profile('app_server')
iam.create_role('app_server', Fog::AWS::IAM::EC2_ASSUME_ROLE_POLICY)


iam.put_role_policy('app_server', 's3_access', {
  "Version" => "2008-10-17",
  "Statement" => [
    {
      "Effect"=>"Allow",
      "Action"=> ["s3:*"],
      "Resource"=> ["arn:aws:s3:::somebucket/*"]
    }
  ]
})
# The document forgets this one; without it the profile is empty, on EC2 too.
iam.add_role_to_instance_profile('app_server', 'app_server')

compute = Fog::AWS::Compute.new
server = compute.servers.create :flavor_id => 't1.micro', :image_id => 'ami-ed65ba84',
                       :iam_instance_profile_name => 'app_server'
server.wait_for { ready? }

puts server.id
