"""Checks manifests with Kubernetes' schemas, and that they fit each other: manifests.py FILE…

kubernetes-validate is on PYTHONPATH; it has the schemas of many versions.
"""

import sys

import kubernetes_validate
import yaml

OLDEST, NEWEST = 31, 37

manifests = []
for name in sys.argv[1:]:
    with open(name) as file:
        manifests += list(yaml.safe_load_all(file))
for manifest in manifests:
    for minor in range(OLDEST, NEWEST + 1):
        kubernetes_validate.validate(manifest, f"1.{minor}", strict=True)
    print(manifest["kind"], manifest["metadata"]["name"])

by_kind = {manifest["kind"]: manifest for manifest in manifests}
template = by_kind["Deployment"]["spec"]["template"]
labels = template["metadata"]["labels"].items()
assert by_kind["Service"]["spec"]["selector"].items() <= labels
assert by_kind["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
for pod in (template["spec"], by_kind["Pod"]["spec"]):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    claim = volumes["data"]["persistentVolumeClaim"]["claimName"]
    assert claim == by_kind["PersistentVolumeClaim"]["metadata"]["name"]
(container,) = template["spec"]["containers"]
ports = {port["name"] for port in container["ports"]}
assert {port["targetPort"] for port in by_kind["Service"]["spec"]["ports"]} <= ports
assert container["readinessProbe"]["httpGet"]["port"] in ports
