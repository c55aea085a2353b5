#!/bin/sh
# Makes the certificates and messages of this folder anew, beside document.json. The keys are thrown away.
set -eu
cd "$(dirname "$0")"
keys=$(mktemp -d)
trap 'rm -r "$keys"' EXIT
name='/C=US/ST=Washington State/L=Seattle/O=Amazon Web Services LLC'
certificate() {
    openssl req -x509 -newkey "rsa:$2" -nodes -days 36500 -subj "$name" -keyout "$keys/$1.key" -out "$1.pem" 2>/dev/null
}
sign() {
    openssl cms -sign -binary -md sha256 -nosmimecap -signer "$signer.pem" -inkey "$keys/$signer.key" -outform DER "$@"
}
message() {
    to=$1 from=$2
    shift 2
    sign -in "$from" "$@" | openssl base64 > "$to.p7"
}
certificate signer 2048
certificate other 2048
certificate short 1024
signer=signer
message attributes document.json -nodetach -nocerts
message certificates document.json -nodetach
message plain document.json -nodetach -nocerts -noattr
message ber document.json -nodetach -nocerts -stream
message keyid document.json -nodetach -nocerts -keyid
message detached document.json -nocerts
message sha1 document.json -nodetach -nocerts -md sha1
message pss document.json -nodetach -nocerts -keyopt rsa_padding_mode:pss
message two document.json -nodetach -nocerts -signer other.pem -inkey "$keys/other.key"
signer=other
message stranger document.json -nodetach
signer=short
message short document.json -nodetach -nocerts
signer=signer
content() {
    message "$1" /dev/stdin -nodetach -nocerts
}
sed 's/  "accountId" : "444455556666",/&\n  "accountId" : "777788889999",/' document.json | content twice
sed 's/"i-0fedcba9876543210"/"i-0fedcba9876543210\/x"/' document.json | content id
echo '["444455556666","eu-central-1","i-0fedcba9876543210","2027-01-15T07:55:00Z",null,null,null]' | content list
grep -v pendingTime document.json | content timeless
sed 's/"eu-central-1"/"us-east-1"/' document.json | content elsewhere
