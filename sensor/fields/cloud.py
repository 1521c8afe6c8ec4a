"""The catalogs of cloud sources: AWS CloudTrail, Google Cloud audit logs, GitHub and Okta, read from their JSON."""

from typing import Any

from sensor.event import Event
from sensor.fields import evt
from sensor.fields.catalog import Catalog, Extract, Field, by_name
from sensor.fields.documents import JSON, from_path, number_from_path, pointer, table, text, texts_from_path
from sensor.fields.kinds import Type

_CLOUDTRAIL = """
id /eventID Id of the event.
error /errorCode Error code.
errormessage /errorMessage What the error says.
time /eventTime Time of the event.
src /eventSource Service that made the event: s3.amazonaws.com.
name /eventName Name of the event: ConsoleLogin.
user.accountid /userIdentity/accountId Account of the user.
user.identitytype /userIdentity/type Kind of user: Root, IAMUser, …
user.principalid /userIdentity/principalId Unique id of the user.
user.arn /userIdentity/arn ARN of the user.
region /awsRegion Region.
response.subnetid /responseElements/subnetId Subnet in the response.
response.reservationid /responseElements/reservationId Reservation in the response.
response /responseElements The response.
request.availabilityzone /requestParameters/availabilityZone Zone in the request.
request.cluster /requestParameters/cluster Cluster in the request.
request.functionname /requestParameters/functionName Function in the request.
request.groupname /requestParameters/groupName Group in the request.
request.host /requestParameters/Host Host in the request.
request.name /requestParameters/name Name in the request.
request.policy /requestParameters/policy Policy in the request.
request.serialnumber /requestParameters/serialNumber Serial number in the request.
request.servicename /requestParameters/serviceName Service in the request.
request.subnetid /requestParameters/subnetId Subnet in the request.
request.taskdefinition /requestParameters/taskDefinition Task definition in the request.
request.username /requestParameters/userName User in the request.
request /requestParameters The request.
srcip /sourceIPAddress Address the request came from.
useragent /userAgent User agent.
managementevent /managementEvent Whether it is a management event.
readonly /readOnly Whether it only reads.
requestid /requestID Id of the request.
eventtype /eventType Type of the record.
apiversion /apiVersion Version of the API.
resources /resources Resources that were used.
recipientaccountid /recipientAccountId Account that got the event.
serviceeventdetails /serviceEventDetails Details of a service's own event.
sharedeventid /sharedEventID Id shared by the copies of an event.
vpcendpointid /vpcEndpointId VPC endpoint of the request.
eventcategory /eventCategory Category of the event.
addendum.reason /addendum/reason Why something was missing.
addendum.updatedfields /addendum/updatedFields What the addendum changes.
addendum.originalrequestid /addendum/originalRequestID Id of the request it adds to.
addendum.originaleventid /addendum/originalEventID Id of the event it adds to.
sessioncredentialfromconsole /sessionCredentialFromConsole Whether the session came from the console.
edgedevicedetails /edgeDeviceDetails Edge devices.
tlsdetails.tlsversion /tlsDetails/tlsVersion TLS version.
tlsdetails.ciphersuite /tlsDetails/cipherSuite Cipher suite.
tlsdetails.clientprovidedhostheader /tlsDetails/clientProvidedHostHeader Host name the client asked for.
additionaleventdata /additionalEventData Further data.
"""
_identity = pointer("/userIdentity")
_event_name = pointer("/eventName")
_bucket = pointer("/requestParameters/bucketName")
_key = pointer("/requestParameters/key")


def _user(event: Event) -> str | None:
    """The name a person would use: of the user, of the role behind a session, or the kind of identity."""
    identity = _identity(event.payload)
    if not isinstance(identity, dict):
        return None
    for path in ("/userName", "/sessionContext/sessionIssuer/userName", "/invokedBy", "/arn"):
        found = pointer(path)(identity)
        if isinstance(found, str) and found:
            return found
    return text(identity.get("type"))


def _short_source(event: Event) -> str | None:
    found = text(pointer("/eventSource")(event.payload))
    return None if found is None else found.removesuffix(".amazonaws.com")


def _summary(event: Event) -> str | None:
    name = text(_event_name(event.payload))
    return None if name is None else " ".join(word for word in (_user(event), name, _bucket(event.payload)) if word)


def _bytes(*directions: str) -> Extract:
    def extract(event: Event) -> int | None:
        found = [pointer(f"/additionalEventData/bytesTransferred{one}")(event.payload) for one in directions]
        numbers = [int(one) for one in found if isinstance(one, int | float)]
        return sum(numbers) if numbers else None

    return extract


def _counts(*names: str, other: bool = False) -> Extract:
    return lambda event: int((_event_name(event.payload) in names) != other)


def _uri(event: Event) -> str | None:
    bucket, key = _bucket(event.payload), _key(event.payload)
    return f"s3://{bucket}/{key}" if bucket and key else None


def _one(name: str, doc: str, extract: Extract | None, kind: Type = Type.CHARBUF, **more: Any) -> Field:
    return Field(name=name, type=kind, doc=doc, extract=extract, **more)


CLOUDTRAIL_FIELDS = (
    *table("ct.", _CLOUDTRAIL),
    _one("ct.user", "User, as a person would name it.", _user),
    _one("ct.shortsrc", "ct.src without .amazonaws.com.", _short_source),
    _one("ct.info", "One line about the event.", _summary),
    _one("s3.uri", "s3://bucket/key.", _uri),
    _one("s3.bucket", "Bucket.", from_path("/requestParameters/bucketName")),
    _one("s3.key", "Key.", from_path("/requestParameters/key")),
    _one("s3.bytes", "Bytes moved.", _bytes("In", "Out"), Type.UINT64),
    _one("s3.bytes.in", "Bytes uploaded.", _bytes("In"), Type.UINT64),
    _one("s3.bytes.out", "Bytes downloaded.", _bytes("Out"), Type.UINT64),
    _one("s3.cnt.get", "1 for GetObject.", _counts("GetObject"), Type.UINT64),
    _one("s3.cnt.put", "1 for PutObject.", _counts("PutObject"), Type.UINT64),
    _one("s3.cnt.other", "1 for everything else.", _counts("GetObject", "PutObject", other=True), Type.UINT64),
    _one("ec2.name", "Name of the instance.", from_path("/responseElements/instancesSet/items/0/tagSet/items/0/value")),
    _one("ec2.imageid", "Image of the instance.", from_path("/responseElements/instancesSet/items/0/imageId")),
    _one("ecr.repository", "Repository.", from_path("/requestParameters/repositoryName")),
    _one("ecr.imagetag", "Tag of the image.", from_path("/requestParameters/imageTag")),
    _one("iam.role", "Role in the request.", from_path("/requestParameters/roleName")),
    _one("iam.policy", "Policy in the request.", from_path("/requestParameters/policyArn")),
)

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

_GITHUB = """
type /github_type Kind of message: push, star, repository.
action /action What happened: created, deleted.
user /sender/login Who did it.
repo /repository/html_url URL of the repository.
repo.url /repository/html_url URL of the repository.
repo.name /repository/full_name Name of the repository.
repo.description /repository/description Description of the repository.
org /organization/login Organization.
owner /repository/owner/login Owner of the repository.
collaborator.name /member/login Person added or removed.
collaborator.role /changes/permission/to Their new role.
webhook.id /hook/id Id of a new webhook.
webhook.type /hook/type Type of a new webhook.
diff.has_secrets /diff/has_secrets Whether a secret was committed.
diff.committed_secrets.desc /diff/committed_secrets/desc What those secrets are.
diff.committed_secrets.files /diff/committed_secrets/files In which files.
diff.committed_secrets.lines /diff/committed_secrets/lines On which lines.
diff.committed_secrets.links /diff/committed_secrets/links Links to them.
workflow.has_miners /workflow/has_miners Whether a workflow mines coins.
workflow.miners.type /workflow/miners Which miners.
workflow.filename /workflow/path File of the workflow.
"""
_private = pointer("/repository/private")


def _public(event: Event) -> str | None:
    found = _private(event.payload)
    return text(not found) if isinstance(found, bool) else None


def _committed(kind: str) -> Extract:
    def extract(event: Event) -> str | None:
        commits = pointer("/commits")(event.payload)
        if not isinstance(commits, list):
            return None
        files = [name for one in commits if isinstance(one, dict) for name in one.get(kind) or ()]
        return ",".join(map(str, files))

    return extract


GITHUB_FIELDS = (
    *table("github.", _GITHUB),
    _one("github.repo.public", "Whether the repository is public.", _public),
    *(
        _one(f"github.commit.{kind}", f"Files {kind}, with commas.", _committed(kind))
        for kind in ("added", "modified", "removed")
    ),
)

_OKTA = """
app /target/0/displayName Application.
behaviors /debugContext/debugData/behaviors Behaviours.
org /org Organization.
evt.type /eventType Type of the event.
evt.legacytype /legacyEventType Older type of the event.
severity /severity Severity.
message /displayMessage Message.
published /published Time of the event.
logonlysecuritydata /debugContext/debugData/logOnlySecurityData Security data.
actor.id /actor/id Id of who did it.
actor.Type /actor/type Kind of actor.
actor.alternateid /actor/alternateId Their e-mail address.
actor.name /actor/displayName Their name.
client.zone /client/zone Zone of the client.
client.ip /client/ipAddress Address of the client.
client.device /client/device Device of the client.
client.id /client/id Id of the client.
client.geo.city /client/geographicalContext/city City.
client.geo.state /client/geographicalContext/state State.
client.geo.country /client/geographicalContext/country Country.
client.geo.postalcode /client/geographicalContext/postalCode Postal code.
client.geo.lat /client/geographicalContext/geolocation/lat Latitude.
client.geo.lon /client/geographicalContext/geolocation/lon Longitude.
useragent.os /client/userAgent/os Operating system.
useragent.browser /client/userAgent/browser Browser.
useragent.raw /client/userAgent/rawUserAgent User agent.
result /outcome/result Outcome.
reason /outcome/reason Reason of the outcome.
transaction.id /transaction/id Id of the transaction.
transaction.type /transaction/type Type of the transaction.
requesturi /debugContext/debugData/requestUri URI of the request.
principal.id /authenticationContext/issuer/id Id of the issuer.
principal.alternateid /principal/alternateId Other id of the principal.
principal.type /principal/type Type of the principal.
principal.name /principal/displayName Name of the principal.
authentication.step /authenticationContext/authenticationStep Step of the sign-in.
authentication.sessionid /authenticationContext/externalSessionId Session.
authentication.provider /authenticationContext/authenticationProvider Provider.
authentication.credentialprovider /authenticationContext/credentialProvider Credential provider.
security.asorg /securityContext/asOrg Network's organization.
security.isp /securityContext/isp Network's provider.
security.domain /securityContext/domain Network's domain.
security.isproxy /securityContext/isProxy Whether it is a proxy.
"""


def _target(kind: str, key: str) -> Extract:
    def extract(event: Event) -> str | None:
        targets = pointer("/target")(event.payload)
        if not isinstance(targets, list):
            return None
        found = (one for one in targets if isinstance(one, dict) and one.get("type") == kind)
        return text(next((one.get(key) for one in found), None))

    return extract


def _counted(outcome: str) -> Any:
    """Counts over time are made by the source, which remembers; it records them in the event's arguments."""

    def bind(seconds: str) -> Extract:
        name = f"mfa.{outcome}.countlast[{int(seconds[:9])}]"
        return lambda event: event.args.get(name)

    return bind


OKTA_FIELDS = (
    *table("okta.", _OKTA),
    _one("okta.security.asnumber", "Number of the net.", number_from_path("/securityContext/asNumber"), Type.UINT64),
    *(
        _one(f"okta.target.{word}.{name}", f"{name} of the {word} it is about.", _target(kind, key))
        for word, kind in (("user", "User"), ("group", "UserGroup"), ("app", "AppInstance"))
        for name, key in (("id", "id"), ("alternateid", "alternateId"), ("name", "displayName"))
    ),
    _one("okta.targets.displayName", "Names of everything it is about.", texts_from_path("/target"),
         argument="optional", index=True, is_list=True,
         bind=lambda number: texts_from_path(f"/target/{number}/displayName")),
    *(
        _one(f"okta.mfa.{outcome}.countlast", f"Second factors with a {outcome} in the last seconds.", None,
             Type.UINT64, argument="required", index=True, bind=_counted(outcome))
        for outcome in ("failure", "deny")
    ),
)  # fmt: skip


def _catalog(name: str, *fields: Field) -> Catalog:
    return Catalog(name=name, fields=by_name((*evt.ANY_SOURCE, *fields, *JSON)), roots={"": ""}, recorded=True)


AWS_CLOUDTRAIL = _catalog("aws_cloudtrail", *CLOUDTRAIL_FIELDS)
GCP_AUDITLOG = _catalog("gcp_auditlog", *table("gcp.", _GCP))
GITHUB = _catalog("github", *GITHUB_FIELDS)
OKTA = _catalog("okta", *OKTA_FIELDS)
