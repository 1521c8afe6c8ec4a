"""The catalog of Google Cloud audit logs: `gcp.*`, from the log entry's JSON."""

from sensor.fields.documents import catalog, table

_GCP = """
user /protoPayload/authenticationInfo/principalEmail Who did it.
callerIP /protoPayload/requestMetadata/callerIp Address it came from.
userAgent /protoPayload/requestMetadata/callerSuppliedUserAgent User agent.
authorizationInfo /protoPayload/authorizationInfo What was authorized.
serviceName /protoPayload/serviceName Service.
policyDelta /protoPayload/serviceData/policyDelta/bindingDeltas Change of the policy.
request /protoPayload/request The request.
methodName /protoPayload/methodName Method.
cloudfunctions.function /resource/labels/function_name Function.
cloudsql.databaseId /resource/labels/database_id Database.
compute.instanceId /resource/labels/instance_id Instance.
compute.networkId /resource/labels/network_id Network.
compute.subnetwork /resource/labels/subnetwork_name Subnetwork.
compute.subnetworkId /resource/labels/subnetwork_id Id of the subnetwork.
dns.zone /resource/labels/zone_name DNS zone.
iam.serviceAccount /resource/labels/email_id Service account.
iam.serviceAccountId /resource/labels/unique_id Id of the service account.
location /resource/labels/location Region.
logging.sink /resource/labels/name Log sink.
projectId /resource/labels/project_id Project.
resourceName /protoPayload/resourceName Name of the resource.
resourceType /resource/type Type of the resource.
resourceLabels /resource/labels Labels of the resource.
storage.bucket /resource/labels/bucket_name Bucket.
time /timestamp Time of the event.
"""

GCP_AUDITLOG = catalog("gcp_auditlog", *table("gcp.", _GCP))
