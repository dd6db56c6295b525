"""How a peer is asked: one JSON request per line, one JSON line as the answer.

The first request names the task and its parameters, and is answered by what the peer is; each following {"run": n}
runs the task n times and is answered by the seconds of each run.
"""

import json
import sys
import time


def serve(prepare):
    """`prepare` takes the first request and gives a function to run, and the answer to that request."""
    run, hello = prepare(json.loads(sys.stdin.readline()))
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(json.loads(line)["run"]):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"seconds": seconds}), flush=True)
