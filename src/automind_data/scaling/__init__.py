"""Many runs of one function, in this process, on all cores, or on a cluster.

`cluster` says where, `run` does it; `child` and `attempts` are the process that each run
has for itself, `schedulers` and `queues` open a cluster, `spread` hands it the tasks.
"""

from automind_data.scaling.cluster import Cluster, Outcome
from automind_data.scaling.run import run_in_order, run_many

__all__ = ["Cluster", "Outcome", "run_in_order", "run_many"]
