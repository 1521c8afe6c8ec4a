/* setuid.c -- processes that change who they are.
 *
 * Sees:   setuid, setresuid, setreuid at their exit; the head has the ids in force afterwards.
 * Misses: programs with the set-uid bit, which exec.c shows by their new uid; group ids; capset.
 * Cost:   one program per call.
 */

struct became {
    struct head head;
    s32 uid;
    s32 ruid;
    s32 euid;
    s32 suid;
};

EVENT(setuid, became, head.res, uid)
EVENT(setresuid, became, head.res, ruid, euid, suid)
EVENT(setreuid, became, head.res, ruid, euid)

SYSCALL(setuid)
{
    BEGIN(became, TYPE_setuid);
    event->uid = given.a0;
    return submit(event);
}

SYSCALL(setresuid)
{
    BEGIN(became, TYPE_setresuid);
    event->ruid = given.a0;
    event->euid = given.a1;
    event->suid = given.a2;
    return submit(event);
}

SYSCALL(setreuid)
{
    BEGIN(became, TYPE_setreuid);
    event->ruid = given.a0;
    event->euid = given.a1;
    return submit(event);
}
