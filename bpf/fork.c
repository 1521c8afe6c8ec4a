/* fork.c -- processes that are created; what the sensor's process table lives on.
 *
 * Sees:   fork, vfork, clone and clone3 that make a new process, at sched_process_fork: in the parent, before
 *         the child runs.
 * Misses: new threads; they are noticed when they do something.
 * Cost:   one program per new thread or process; two reads decide that it is a thread.
 */

#define NR_CLONE 56
#define NR_FORK 57
#define NR_VFORK 58

struct forked {
    struct head head;
    u64 child_start_time;
    u32 child;  /* pid in the initial pid namespace */
    u32 child_parent; /* not the caller with CLONE_PARENT */
    u32 vpid;   /* the child's pid in its own pid namespace */
    u32 flags;
};

EVENT(clone, forked, head.res, flags)
EVENT(clone3, forked, head.res, flags)
EVENT(fork, forked, head.res)
EVENT(vfork, forked, head.res)

/* sched_process_fork(parent, child) */
RAW(sched_process_fork)
{
    struct arguments given = {};
    u64 child = ctx->args[1];
    u32 pid = READ(u32, child, task_struct, pid);
    if (pid != READ(u32, child, task_struct, tgid))
        return 0;
    read_arguments(&given);
    u16 type = given.nr == NR_CLONE   ? TYPE_clone
               : given.nr == NR_FORK  ? TYPE_fork
               : given.nr == NR_VFORK ? TYPE_vfork
                                      : TYPE_clone3;
    struct forked *event = begin(type, pid, sizeof(*event));
    if (!event)
        return 0;
    u64 own = READ(u64, child, task_struct, thread_pid);
    u64 numbers = own + OFFSET(pid, numbers) + (u64)READ(u32, own, pid, level) * SIZE_upid;
    event->child = pid;
    event->child_start_time = READ(u64, child, task_struct, start_boottime);
    event->child_parent = READ(u32, READ(u64, child, task_struct, real_parent), task_struct, tgid);
    event->vpid = READ(u32, numbers, upid, nr);
    event->flags = 0;
    if (type == TYPE_clone)
        event->flags = given.a0;
    if (type == TYPE_clone3)
        bpf_probe_read_user(&event->flags, sizeof(event->flags), (void *)given.a0);
    return submit(event);
}
