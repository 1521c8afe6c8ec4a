"""The catalog of GitHub webhooks: `github.*`, from the message's JSON."""

from sensor.event import Event
from sensor.fields.catalog import Extract
from sensor.fields.documents import catalog, plain, pointer, table, text

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
        lists = (one.get(kind) for one in commits if isinstance(one, dict))
        return ",".join(str(name) for names in lists if isinstance(names, list) for name in names)

    return extract


GITHUB_FIELDS = (
    *table("github.", _GITHUB),
    plain("github.repo.public", "Whether the repository is public.", _public),
    *(
        plain(f"github.commit.{kind}", f"Files {kind}, with commas.", _committed(kind))
        for kind in ("added", "modified", "removed")
    ),
)


GITHUB = catalog("github", *GITHUB_FIELDS)
