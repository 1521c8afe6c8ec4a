"""The catalog of AWS CloudTrail: `ct.*` and a few of its services, from the record's JSON."""

from sensor.event import Event
from sensor.fields.catalog import Extract
from sensor.fields.documents import catalog, from_path, plain, pointer, table, text
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
_INSTANCE = "/responseElements/instancesSet/items/0"
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
    words = (_user(event), name, text(_bucket(event.payload)))
    return None if name is None else " ".join(word for word in words if word)


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


CLOUDTRAIL_FIELDS = (
    *table("ct.", _CLOUDTRAIL),
    plain("ct.user", "User, as a person would name it.", _user),
    plain("ct.shortsrc", "ct.src without .amazonaws.com.", _short_source),
    plain("ct.info", "One line about the event.", _summary),
    plain("s3.uri", "s3://bucket/key.", _uri),
    plain("s3.bucket", "Bucket.", from_path("/requestParameters/bucketName")),
    plain("s3.key", "Key.", from_path("/requestParameters/key")),
    plain("s3.bytes", "Bytes moved.", _bytes("In", "Out"), Type.UINT64),
    plain("s3.bytes.in", "Bytes uploaded.", _bytes("In"), Type.UINT64),
    plain("s3.bytes.out", "Bytes downloaded.", _bytes("Out"), Type.UINT64),
    plain("s3.cnt.get", "1 for GetObject.", _counts("GetObject"), Type.UINT64),
    plain("s3.cnt.put", "1 for PutObject.", _counts("PutObject"), Type.UINT64),
    plain("s3.cnt.other", "1 for everything else.", _counts("GetObject", "PutObject", other=True), Type.UINT64),
    plain(
        "ec2.name", "Name of its instance.", from_path("/responseElements/instancesSet/items/0/tagSet/items/0/value")
    ),
    plain("ec2.imageid", "Image of the instance.", from_path(f"{_INSTANCE}/imageId")),
    plain("ecr.repository", "Repository.", from_path("/requestParameters/repositoryName")),
    plain("ecr.imagetag", "Tag of the image.", from_path("/requestParameters/imageTag")),
    plain("iam.role", "Role in the request.", from_path("/requestParameters/roleName")),
    plain("iam.policy", "Policy in the request.", from_path("/requestParameters/policyArn")),
)

AWS_CLOUDTRAIL = catalog("aws_cloudtrail", *CLOUDTRAIL_FIELDS)
