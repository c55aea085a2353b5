"""cloud-init's data source for EC2 on a machine that says it is one: what it found, as JSON on stdout."""
import json
import sys

from cloudinit import helpers
from cloudinit.sources import DataSourceEc2 as ec2

# What the firmware of EC2's machines says; nothing else is changed.
ec2.identify_platform = lambda: ec2.CloudNames.AWS


class Distro:
    """As much of a distribution as the crawl asks for."""

    def get_tmp_exec_path(self):
        return sys.argv[1]


paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
source = ec2.DataSourceEc2({}, Distro(), paths)
found = source._get_data()
print(json.dumps({
    "found": found,
    "metadata": source.metadata,
    "user_data": source.userdata_raw.decode() if found else None,
    "identity": source.identity if found else None,
    "instance_id": source.get_instance_id() if found else None,
    "region": source.region if found else None,
    "availability_zone": source.availability_zone if found else None,
    "hostname": str(source.get_hostname().hostname) if found else None,
    "version": source.get_metadata_api_version() if found else None,
}))
