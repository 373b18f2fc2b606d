#!/bin/bash
# Runs one kerasac-ray command on all nodes of one Slurm job: a Ray head on the first, a Ray worker on each other.
# `kerasac-ray launch slurm` fills in and submits this script; a copy of it can be edited and given to sbatch as well.

# --- edit: what the job asks for ------------------------------------------------------------------------------------
#SBATCH --job-name=@NAME@
#SBATCH --nodes=@NODES@
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=@CPUS@
@OPTIONS@
#SBATCH --time=@TIME@
# Ten minutes before the end this script is told (B: it alone, not its steps). Give it longer than an epoch takes: the
# run stops at the end of the epoch that it is in, and the job queues itself again to go on from there.
#SBATCH --signal=B:USR1@@MARGIN@
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

# --- edit: how a shell of a node comes to kerasac-ray (module load, conda activate, source …/bin/activate) ------------
@SETUP@

set -euo pipefail  # after that: the scripts of module and conda use variables that are not set

# --- edit: the command; its run folder and inputs must be on a file system that all nodes mount ----------------------
command=(@COMMAND@)

max_restarts=100  # a job whose epochs are longer than its time would otherwise queue itself for ever
margin=@MARGIN@
gpus=${SLURM_GPUS_ON_NODE:-0}
cpus=${SLURM_CPUS_PER_TASK:-1}

for program in kerasac-ray ray; do
    command -v "$program" > /dev/null || { echo "$program is not on the PATH of $(hostname); edit this script" >&2; exit 2; }
done

# Below 10002, above 19999: Ray's workers take the ports between. Two jobs that share a node get different ones.
port=$((20000 + SLURM_JOB_ID % 1000 * 10))

# The token without which nobody, also of this cluster's other users, can send work to the job. It lives in a file that
# only its owner can read, in a folder that all nodes see, and is gone when the job ends.
unset RAY_AUTH_TOKEN RAY_ADDRESS
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$HOME/.ray/slurm-$SLURM_JOB_ID.token"
(
    umask 077
    mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > "$RAY_AUTH_TOKEN_PATH"
)

steps=()
clean_up() {
    trap - EXIT
    for step in "${steps[@]}"; do kill "$step" 2> /dev/null || true; done
    for _ in {1..80}; do  # Ray takes up to 30 seconds to end
        [[ -z $(jobs -r) ]] && break
        sleep 0.5
    done
    rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap clean_up EXIT

driver=""
signalled=""
time_is_up=""
forward() {
    signalled=yes
    if [[ -n $driver ]]; then kill -s "$1" "$driver" 2> /dev/null || true; else exit 143; fi
}
trap 'time_is_up=yes; forward USR1' USR1
trap 'forward TERM' TERM

# --- the head, on the node where this script runs --------------------------------------------------------------------
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
# The address by which the other nodes know it; a name that stands for 127.0.1.1 here does not count.
address=$( { getent ahostsv4 "$head" || true; hostname -I | tr ' ' '\n'; } |
    awk '!found && $1 ~ /^[0-9]+(\.[0-9]+)+$/ && $1 !~ /^127\./ { print $1; found = 1 }')

# Since Slurm 22.05 a step does not inherit these from the job.
each=(--ntasks-per-node=1 --cpus-per-task="$cpus")
if ((gpus > 0)); then each+=(--gpus-per-node="$gpus"); fi
# Each job has its own folder and ports, whoever else runs Ray on the node; workers take ports that are free.
ray_options=(
    --num-cpus="$cpus" --num-gpus="$gpus" --temp-dir="/tmp/ray-$SLURM_JOB_ID" --min-worker-port=0 --max-worker-port=0
    --dashboard-agent-listen-port=$((port + 2)) --disable-usage-stats --block
)
srun --nodes=1 --ntasks=1 --nodelist="$head" "${each[@]}" \
    ray start --head --node-ip-address="$address" --port="$port" --ray-client-server-port=$((port + 1)) \
    --include-dashboard=false "${ray_options[@]}" &
steps+=($!)

# --- the workers ------------------------------------------------------------------------------------------------------
if ((SLURM_JOB_NUM_NODES > 1)); then
    others=$((SLURM_JOB_NUM_NODES - 1))
    srun --nodes="$others" --ntasks="$others" --exclude="$head" "${each[@]}" \
        ray start --address="$address:$port" "${ray_options[@]}" &
    steps+=($!)
fi

# --- the command ------------------------------------------------------------------------------------------------------
end=${SLURM_JOB_END_TIME:-$(($(date +%s) + @SECONDS@))}
@STOP_AFTER@
kerasac-ray launch address --address "$address:$port" --wait-nodes "$SLURM_JOB_NUM_NODES" --wait 300 -- \
    "${command[@]}" &
driver=$!

status=0
wait "$driver" || status=$?
while [[ -n $signalled ]]; do  # a signal ends `wait`, not the command
    signalled=""
    status=0
    wait "$driver" || status=$?
done

clean_up
if ((status == 0)) && { [[ -n $time_is_up ]] || (($(date +%s) >= end - margin)); }; then
    if ((${SLURM_RESTART_COUNT:-0} < max_restarts)); then
        echo "stopped because the job's time is up; queued again to go on"
        scontrol requeue "$SLURM_JOB_ID"
    else
        echo "stopped after $max_restarts restarts; sbatch this script again to go on" >&2
        status=1
    fi
fi
exit "$status"
