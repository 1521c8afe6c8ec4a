"""The catalog of the Okta system log: `okta.*`, from the entry's JSON."""

from typing import Any

from sensor.event import Event
from sensor.fields.catalog import Extract
from sensor.fields.coerce import coerced
from sensor.fields.documents import catalog, from_path, number_from_path, plain, pointer, table, text
from sensor.fields.kinds import Type

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


_targets = pointer("/target")


def _target(kind: str, key: str) -> Extract:
    def extract(event: Event) -> str | None:
        targets = _targets(event.payload)
        if not isinstance(targets, list):
            return None
        found = (one for one in targets if isinstance(one, dict) and one.get("type") == kind)
        return text(next((one.get(key) for one in found), None))

    return extract


def _target_names(event: Event) -> str | None:
    targets = _targets(event.payload)
    if not isinstance(targets, list):
        return None
    names = (text(one.get("displayName")) for one in targets if isinstance(one, dict))
    return ",".join(name for name in names if name is not None)


def _counted(outcome: str) -> Any:
    """Counts over time are made by the source, which remembers; it records them in the event's arguments."""

    def bind(seconds: str) -> Extract:
        name = f"mfa.{outcome}.countlast[{int(seconds[:9])}]"
        return lambda event: coerced(Type.UINT64, event.args.get(name))

    return bind


OKTA_FIELDS = (
    *table("okta.", _OKTA),
    plain("okta.security.asnumber", "Number of the net.", number_from_path("/securityContext/asNumber"), Type.UINT64),
    *(
        plain(f"okta.target.{word}.{name}", f"{name} of the {word} it is about.", _target(kind, key))
        for word, kind in (("user", "User"), ("group", "UserGroup"), ("app", "AppInstance"))
        for name, key in (("id", "id"), ("alternateid", "alternateId"), ("name", "displayName"))
    ),
    plain("okta.targets.displayName", "Names of everything it is about, with commas; [n] is one of them.",
         _target_names, argument="optional", index=True,
         bind=lambda number: from_path(f"/target/{number}/displayName")),
    *(
        plain(f"okta.mfa.{outcome}.countlast", f"Second factors with a {outcome} in the last seconds.", None,
             Type.UINT64, argument="required", index=True, bind=_counted(outcome))
        for outcome in ("failure", "deny")
    ),
)  # fmt: skip


OKTA = catalog("okta", *OKTA_FIELDS)
