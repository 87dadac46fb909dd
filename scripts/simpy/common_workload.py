#!/usr/bin/env python3
"""The common workload on SimPy: the anchor for `cargo bench -p sim-actors --bench common_workload`.

200 sessions lock one of 10 tables (ACCESS SHARE or ROW EXCLUSIVE) and one of 100,000 rows, work for 2 ms on
average, commit and think for 10 ms on average; each second a migration asks for ACCESS EXCLUSIVE on a table with a
lock_timeout of 200 ms and holds it for 50 ms. Random numbers are Python's: transactions agree statistically.

    python3 -m pip install simpy
    python3 scripts/simpy/common_workload.py [virtual seconds] [rounds]
    python3 scripts/simpy/common_workload.py --one [virtual seconds]     CPU nanoseconds and transactions
"""

import random
import statistics
import sys
import time
from collections import deque

import simpy

SESSIONS, TABLES, ROWS = 200, 10, 100_000
SHARED, EXCLUSIVE = 0, 1  # reading and writing do not conflict; the migration conflicts with both


class Table:
    """A lock with PostgreSQL's queue: a waiter keeps later requests waiting that conflict with it."""

    def __init__(self, env):
        self.env, self.held, self.queue = env, [0, 0], deque()

    def request(self, mode):
        event = self.env.event()
        behind = any(EXCLUSIVE in (mode, waiting) for waiting, _ in self.queue)
        if not behind and self.is_free(mode):
            self.held[mode] += 1
            event.succeed()
        else:
            self.queue.append((mode, event))
        return event

    def is_free(self, mode):
        return not self.held[EXCLUSIVE] and (mode == SHARED or not self.held[SHARED])

    def release(self, mode):
        self.held[mode] -= 1
        self.wake()

    def give_up(self, event):
        self.queue = deque(one for one in self.queue if one[1] is not event)
        self.wake()

    def wake(self):
        while self.queue and self.is_free(self.queue[0][0]):
            mode, event = self.queue.popleft()
            self.held[mode] += 1
            event.succeed()


class Workload:
    def __init__(self, seed=1):
        self.env, self.random = simpy.Environment(), random.Random(seed)
        self.tables = [Table(self.env) for _ in range(TABLES)]
        self.rows, self.latencies, self.log, self.timeouts = {}, [], 0, 0
        for _ in range(SESSIONS):
            self.env.process(self.session())
        self.env.process(self.migration())

    def note(self, *event):
        self.log = hash((self.log, self.env.now, event))

    def session(self):
        env, draw = self.env, self.random
        yield env.timeout(draw.expovariate(1 / 0.010))
        while True:
            began, program = env.now, draw.randrange(2 * TABLES)
            number, row = program % TABLES, draw.randrange(ROWS)
            table = self.tables[number]
            yield table.request(SHARED)
            self.note("granted", number)
            while (number, row) in self.rows:
                yield self.rows[number, row]
            self.rows[number, row] = released = env.event()
            self.note("row", number, row)
            yield env.timeout(draw.expovariate(1 / 0.002))
            del self.rows[number, row]
            released.succeed()
            table.release(SHARED)
            self.note("committed")
            self.latencies.append(env.now - began)
            yield env.timeout(draw.expovariate(1 / 0.010))

    def migration(self):
        env, number = self.env, 0
        while True:
            yield env.timeout(1)
            table = self.tables[number % TABLES]
            number += 1
            granted = table.request(EXCLUSIVE)
            yield granted | env.timeout(0.2)
            if not granted.triggered:
                self.timeouts += 1
                table.give_up(granted)
                continue
            yield env.timeout(0.05)
            table.release(EXCLUSIVE)


def measure(seconds):
    """CPU nanoseconds of a run, setting up apart, and its transactions."""
    workload = Workload()
    before = time.thread_time_ns()
    workload.env.run(until=seconds)
    return time.thread_time_ns() - before, len(workload.latencies)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--one"]
    seconds = float(arguments[0]) if arguments else 4
    if "--one" in sys.argv:
        print(*measure(seconds))
        return
    rounds = int(arguments[1]) if len(arguments) > 1 else 5
    runs = [measure(seconds) for _ in range(rounds)]
    per_transaction = [spent / transactions for spent, transactions in runs]
    print(f"SimPy {simpy.__version__}: {seconds:g} virtual seconds, {runs[0][1]} transactions, "
          f"{rounds} rounds: {min(per_transaction):.0f} ns/tx CPU at least, "
          f"{statistics.median(per_transaction):.0f} at the median")


main()
