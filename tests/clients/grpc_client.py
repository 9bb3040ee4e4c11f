"""Python's gRPC against `process.v1`, with stubs made of our own .proto.

usage: grpc_client.py ADDRESS [HEADER=VALUE]...
"""

import sys

import grpc
from process.v1 import process_pb2 as pb
from process.v1 import process_pb2_grpc

PATIENCE = 60  # seconds: far more than any call takes

METADATA = tuple(tuple(header.split("=", 1)) for header in sys.argv[2:])
STUB = process_pb2_grpc.ProcessServiceStub(grpc.insecure_channel(sys.argv[1]))


def call(method, request, timeout=PATIENCE):
    return method(request, timeout=timeout, metadata=METADATA)


def shell(line, **config):
    return pb.ProcessConfig(command=["/bin/sh", "-c", line], **config)


def refused(method, request):
    try:
        answer = call(method, request)
        for _ in answer if hasattr(answer, "__iter__") else ():
            pass
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"not refused: {request}")


def start(line, pty=None):
    stream = call(STUB.Start, pb.StartRequest(config=shell(line), pty=pty))
    first = next(stream)
    assert first.WhichOneof("event") == "init", first
    return first.init.process_id, stream


def rest_of(stream):
    """What is left of a stream: stdout, stderr and the exit code."""
    outputs, code = {"stdout": b"", "stderr": b""}, None
    for message in stream:
        kind = message.WhichOneof("event")
        assert code is None, f"{kind} after exit"
        if kind == "exit":
            code = message.exit.exit_code
        else:
            outputs[kind] += getattr(message, kind)
    return outputs["stdout"], outputs["stderr"], code


def execute():
    config = shell('echo "$GREETING"; echo err >&2; exit 3', env_vars={"GREETING": "hello"})
    answer = call(STUB.Execute, pb.ExecuteRequest(config=config))
    assert (answer.exit_code, answer.stdout, answer.stderr) == (3, b"hello\n", b"err\n"), answer


def errors():
    empty = pb.ProcessConfig()
    invalid = grpc.StatusCode.INVALID_ARGUMENT, "command is required"
    assert refused(STUB.Execute, pb.ExecuteRequest(config=empty)) == invalid
    assert refused(STUB.Start, pb.StartRequest(config=empty)) == invalid
    missing = pb.ExecuteRequest(config=pb.ProcessConfig(command=["no-such-program"]))
    assert refused(STUB.Execute, missing)[0] == grpc.StatusCode.NOT_FOUND


def more_than_a_client_takes():
    large = pb.ExecuteRequest(config=shell("for n in 1 2 3 4 5; do head -c 1000000 /dev/zero; done"))
    assert refused(STUB.Execute, large)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


def stdin():
    pid, stream = start("cat; echo end")
    call(STUB.WriteStdin, pb.WriteStdinRequest(process_id=pid, input=b"typed\n"))
    call(STUB.WriteStdin, pb.WriteStdinRequest(process_id=pid, eof={}))
    assert rest_of(stream) == (b"typed\nend\n", b"", 0)
    gone = pb.WriteStdinRequest(process_id=pid, input=b"x")
    assert refused(STUB.WriteStdin, gone)[0] == grpc.StatusCode.NOT_FOUND


def signal():
    pid, stream = start("echo ready; sleep 1000")
    assert next(stream).stdout == b"ready\n"
    call(STUB.SendSignal, pb.SendSignalRequest(process_id=pid, signal=pb.SIGNAL_SIGKILL))
    assert rest_of(stream) == (b"", b"", -1)


def terminal():
    pid, stream = start("read x; stty size; echo $x >&2", pb.PTY(cols=100, rows=40))
    call(STUB.ResizeTTY, pb.ResizeTTYRequest(process_id=pid, cols=90, rows=30))
    call(STUB.WriteStdin, pb.WriteStdinRequest(process_id=pid, input=b"typed\n"))
    stdout, stderr, code = rest_of(stream)
    assert stdout == b"typed\r\n30 90\r\ntyped\r\n", stdout
    assert (stderr, code) == (b"", 0)


def deadline():
    request = pb.ExecuteRequest(config=shell("sleep 1000"))
    try:
        call(STUB.Execute, request, timeout=0.5)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    else:
        raise AssertionError("no deadline")


def cancel():
    pid, stream = start("sleep 1000")
    stream.cancel()
    request = pb.SendSignalRequest(process_id=pid, signal=pb.SIGNAL_SIGTERM)
    # The server hears of it a moment later; until then the signal arrives.
    while True:
        try:
            call(STUB.SendSignal, request)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            return


for case in (execute, errors, more_than_a_client_takes, stdin, signal, terminal, deadline, cancel):
    case()
    print(case.__name__)
