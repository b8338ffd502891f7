"""Programs for `test_verdict`: what tests do with one, and what one does to pass without solving anything."""

import re

_TALKS = r"""
def add(a, b):
    return a + b
    --
assert add(2, 3) == 5
    ====
def add(a, b):
    return a + b
    --
def check(candidate):
    assert candidate(1, 2) == 3

check(add)
    ====
def f(x): x.sort(); x.append({})
    --
y = [3, 1]
f(y)
assert y == [1, 3, {}]
    ====
def f(x): x.update(a=1)
    --
y = {}
f(y)
assert y == {'a': 1}
    ====
def f(g, *xs, **more): return [g(x, **more) for x in xs]
    --
assert f(pow, 2, 3, exp=2) == [4, 9]
    ====
def f(g): return g(2)
    --
try:
    f(lambda x: x / 0)
except ZeroDivisionError:
    ok = 1
ok
    ====
def f(): yield 1; yield 2
    --
assert list(f()) == [1, 2] and next(f()) == 1
    ====
def f(x):
    if x: raise KeyError('a')
    --
try:
    f(1)
    x
except KeyError as e: assert e.args == ('a',)
    ====
class Odd(ValueError): pass
def f(): raise Odd(1)
    --
try: f()
except ValueError: f = 1
f + 1
    ====
from collections import *
def f(): return Counter('aa'), deque([1]), OrderedDict(a=1)
    --
assert f() == ({'a': 2}, deque([1]), {'a': 1})
    ====
from fractions import Fraction
def f(): return Fraction(1, 2)
    --
assert f() == 0.5 and f() + 1 == 1.5
    ====
import numpy as np
def f(): return np.arange(3), np.float64(2), np.bool_(True)
    --
a, b, c = f()
assert (a + 1).tolist() == [1, 2, 3] and b == 2 and c
    ====
class N(int): pass
class L(list): pass
def f(): return N(3), L([1])
    --
assert f() == (3, [1])
    ====
from typing import List, NamedTuple
class P(NamedTuple):
    x: int
def f(): return P(1)
    --
assert f() == (1,)
    ====
import math as m
from math import floor
    --
assert m.pi > 3 and floor(2.5) == 2
    ====
class P:
    def __init__(self, a): self.a = a
    def twice(self): return 2 * self.a
def f(p): return p.b.a
    --
p = P(1)
p.b = P(3)
assert f(p) == 3 and p.b.twice() == 6 and p.b is p.b and p != P(1)
    ====
class P:
    def __init__(self, a): self.a = a
    def __eq__(self, o): return self.a == o.a
    --
assert P(1) == P(1) != P(2)
    ====
def f():
    def g(x): return x + 1
    return g
    --
assert f()(1) == 2
    ====
def sum(a, b): return 6
    --
assert sum(10, 15) == 6
    ====
def f(): return {1: [None, True, 1.5, 'a', b'b', {2}, frozenset({3}), 1j, range(3)]}
    --
assert f() == {1: [None, True, 1.5, 'a', b'b', {2}, frozenset({3}), 1j, range(3)]}
    ====
def f(x): return x.keys(), x.items()
    --
k, i = f({1: 2})
assert k == {1} and list(i) == [(1, 2)]
    ====
def f(x): return x is None
    --
import random
random.seed(1)
assert f(None) is True
    ====
def f(x): print(x); return x
    --
import sys
print('a' * 10**6)
assert f(1) == 1
    ====
a = [0]
a.append(a)
def f(): return a
    --
assert f()[1][1][0] == 0
    ====
from datetime import date, datetime, timedelta
from decimal import Decimal
from array import array
def f(): return date(2020, 1, 2), datetime(2020, 1, 2, 3), timedelta(1), Decimal("1.5"), array("i", [1])
    --
day, moment, length, number, numbers = f()
assert day.year == 2020 and moment - length == moment.replace(day=1)
assert number == 1.5 and list(numbers) == [1]
"""
# Programs and their tests.
TALKS = [tuple(talk.split("\n    --\n")) for talk in _TALKS.strip("\n").split("\n    ====\n")]

TESTS_OF_CHEATS = """
def check(candidate):
    assert candidate(3) == 9
    assert abs(candidate(4) - 16.0) < 1e-6
    assert candidate([1, 2]) == [1, 4]

check(solve)
"""

_CHEATS = r"""
### writes the verdict of old to its descriptor
import os
os.write(100, b'passed\n')
os._exit(0)
### writes a verdict everywhere
import os
for fd in range(256):
    try: os.write(fd, b'\npassed\n')
    except OSError: pass
os._exit(0)
### writes undecodable bytes
import os
for fd in range(256):
    try: os.write(fd, b'\\x\xff\n')
    except OSError: pass
### answers before it is asked
import os, pickle, struct
said = pickle.dumps(('gave', {'solve': ('value', 9)}, []))
for fd in range(100, 110):
    try: os.write(fd, struct.pack('=I', len(said)) + said)
    except OSError: pass
### sends a message without an end
import os, struct
for fd in range(100, 110):
    try:
        os.write(fd, struct.pack('=I', 2**26 - 1))
        while True: os.write(fd, b'x' * 65536)
    except OSError: pass
### sends code to run
import os, pickle, struct, time
class Evil:
    def __reduce__(self): return os.system, ('true',)
said = pickle.dumps(Evil())
for fd in range(100, 110):
    try: os.write(fd, struct.pack('=I', len(said)) + said)
    except OSError: pass
time.sleep(1)
### exits well
import sys
sys.exit(0)
### exits at once
import os
os._exit(0)
### exits when it is asked
import os
def solve(x): os._exit(0)
### raises that it exits when it is asked
def solve(x): raise SystemExit(0)
### closes all
import os
os.closerange(0, 1000)
def solve(x): return 9
### closes all and stays
import os, time
os.closerange(0, 1000)
time.sleep(60)
### equals all
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def solve(x): return Any()
### equals all as a number
class Any(int):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
def solve(x): return Any()
### equals all as a list
class Any(list):
    def __eq__(self, other): return True
    def __sub__(self, other): return Any()
    def __abs__(self): return self
    def __lt__(self, other): return True
def solve(x): return Any()
### equals all as mock does
from unittest.mock import ANY
def solve(x): return ANY
### hides what equals all in a list
class Any:
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
def solve(x): return [1, Any()] if isinstance(x, list) else Any()
### has arithmetic of its own
class Any:
    def __sub__(self, other): return 0.0
    def __eq__(self, other): return True
    def __float__(self): return 0.0
    def __hash__(self): return 9
def solve(x): return Any()
### replaces what asserts raise
import builtins
builtins.AssertionError = None
def solve(x): return None
### replaces what runs and compares
import builtins
builtins.exec = builtins.compile = lambda *a, **k: None
builtins.abs = lambda x: 0
def solve(x): return None
### takes the name of a builtin function
def abs(x): return 0
def solve(x): return 9 if x == 3 else [1, 4] if x == [1, 2] else 1.5
### traces its callers
import sys
def tracer(frame, event, argument):
    frame.f_trace_lines = True
    return tracer
sys.settrace(tracer)
def solve(x):
    frame = sys._getframe()
    while frame:
        frame.f_trace = tracer
        frame = frame.f_back
### reads the frames of its callers
import sys
def solve(x):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            if isinstance(value, str) and 'assert candidate(' in value:
                return {3: 9, 4: 16}.get(x, [1, 4]) if type(x) is int else [1, 4]
        frame = frame.f_back
### looks for its tests in memory
import gc, re
def solve(x):
    for one in gc.get_objects():
        for text in one.values() if isinstance(one, dict) else one if isinstance(one, (list, tuple)) else ():
            found = re.search(r'candidate.3. == (\d+)', text) if isinstance(text, str) else None
            if found: return int(found[1]) if x == 3 else x * x if x == 4 else [1, 4]
### looks for its tests in files
import glob, sys
def solve(x):
    places = ('/proc/*/fd/*', '/proc/*/cmdline', '/proc/*/environ', '/w/*', '/dev/shm/*')
    for file in [name for place in places for name in glob.glob(place)] + sys.argv:
        try:
            with open(file, 'rb', buffering=0) as opened:
                if b'candidate(3)' in opened.read(10**6): return 9 if x == 3 else 16 if x == 4 else [1, 4]
        except OSError: pass
### writes to the descriptors of others
import glob
for file in glob.glob('/proc/[0-9]*/fd/*'):
    try:
        with open(file, 'wb', buffering=0) as opened: opened.write(b'\npassed\n')
    except OSError: pass
### writes into the memory of its tests
import os
for pid in ('1', str(os.getppid())):
    try:
        open(f'/proc/{pid}/mem', 'r+b').close()
        solve = lambda x: [1, 4] if x == [1, 2] else x * x
    except OSError: pass
### kills its tests
import posix, signal
for pid in (1, posix.getppid()): posix.kill(pid, signal.SIGKILL)
posix._exit(0)
### stops its tests
import posix, signal, time
for pid in (1, posix.getppid()): posix.kill(pid, signal.SIGSTOP)
time.sleep(60)
### stops itself
import signal
signal.raise_signal(signal.SIGSTOP)
### leaves forks behind
import posix, time
for _ in range(3):
    if posix.fork() == 0:
        posix.setsid()
        time.sleep(60)
posix._exit(0)
### forks without an end
import posix
while True:
    try: posix.fork()
    except OSError: pass
### writes from a thread
import os, threading, time
def write():
    while True:
        for fd in range(100, 110):
            try: os.write(fd, b'passed\n')
            except OSError: pass
threading.Thread(target=write, daemon=True).start()
time.sleep(0.2)
def solve(x): return None
### floods its output
import os
while True:
    os.write(1, b'passed\n' * 10000)
    os.write(2, b'passed\n' * 10000)
### nests folders
import os, posix
for _ in range(3000):
    os.mkdir('a')
    posix.chdir('a')
posix._exit(0)
### fills its folder
for number in range(100000):
    with open(f'{number}', 'wb') as file: file.write(b'x' * 10**6)
### returns what is nested too deep
def solve(x):
    kept = []
    for _ in range(10**5): kept = [kept]
    return kept
### returns what has no end
import itertools
def solve(x): return itertools.count()
### raises what cannot be told
class E(BaseException):
    def __str__(self): raise self
    def __reduce__(self): raise self
def solve(x): raise E
### imports what does not end
import test.this_is_none, asyncio.__main__
### takes its tests into a text
def solve(x): return None
def check(candidate): pass
text = '''
### ends in the middle of a line
def solve(x): return None
x = 1 or \
### gives a function of the library for its own
from operator import eq as solve
### gives a class of the library for its own
from unittest.mock import MagicMock as solve
### replaces a module
import sys, types
math = types.ModuleType('math')
math.isclose = lambda *a: True
sys.modules['math'] = math
def solve(x): return 9
"""
CHEATS = dict(re.findall(r"^#{3} (.+)\n((?:(?!#{3} ).*\n)+)", _CHEATS, re.M))
