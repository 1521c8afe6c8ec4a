"""Guards between runs about one target, and those that only kinds of tomorrow meet."""

import pytest

from routing import approvals, guards
from routing.actions.base import Responder
from routing.guards import Objection
from routing.models import ActionRun, ResponseAction
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

Mode = ResponseAction.Mode


class Cordon(Responder):
    kind = "cordon"
    label = "Cordon node"
    where = "server"
    reversible = True


class Eject(Cordon):
    reversible = False


def requested(mode=Mode.AUTOMATIC, sensor=None, **action):
    sensor = sensor or build.sensor()
    return approvals.request(
        build.action(mode=mode, **action), build.alert(sensor=sensor, own_node=True), None, None, NOW
    )


def test_a_dry_run_minds_no_other_run_and_no_other_run_minds_it():
    real = requested()
    dry = requested(Mode.DRY_RUN, real.sensor, name="Would kill")
    assert (real.state, dry.state) == ("approved", "approved")
    ActionRun.objects.filter(pk=real.pk).delete()
    assert requested(sensor=real.sensor, name="Kill at once").state == "approved"


def test_a_second_question_about_one_target_is_not_asked():
    first = requested(Mode.APPROVE)
    assert requested(Mode.APPROVE, first.sensor, name="Kill, too").state == "superseded"


def test_what_can_be_undone_may_be_done_again():
    run = requested(kind="kill_process")
    ActionRun.objects.filter(pk=run.pk).update(state="succeeded")
    again = ActionRun(action=run.action, alert=run.alert, kind="cordon", target_key=run.target_key, mode=Mode.AUTOMATIC)
    guards.examine(again, Cordon({}), NOW)
    with pytest.raises(Objection, match="done already"):
        guards.examine(again, Eject({}), NOW)


def test_a_sensor_whose_token_was_revoked_runs_nothing():
    build.sensor(token=build.token(secret="sa_gone", revoked_at=NOW))
    run = approvals.request(build.action(), build.alert(own_node=False), None, None, NOW)
    assert (run.state, run.reason) == ("skipped", "no sensor of ours runs on node-1")
