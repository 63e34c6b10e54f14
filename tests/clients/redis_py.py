"""Uses mini_redis through redis-py, with its default options. Debian has version 4 (python3-redis), PyPI a newer one.

usage: redis_py.py PORT
"""

import sys

import redis


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"got {got!r}, expected {wanted!r}")


server = redis.Redis(port=int(sys.argv[1]), socket_timeout=20)
expect(server.flushall(), True)
expect(server.ping(), True)

# Strings and counters
expect(server.set("n", 1), True)
expect(server.incr("n"), 2)
expect(server.incrby("n", 5), 7)
expect(server.decr("n", 3), 4)
expect(server.get("n"), b"4")
expect(server.get("none"), None)
expect(server.mget("n", "none"), [b"4", None])
expect(server.set("k", "a", ex=100), True)
expect(server.set("k", "b", keepttl=True), True)
expect(server.ttl("k") > 90, True)
expect(server.set("k", "c", get=True), b"b")
expect(server.ttl("k"), -1)
expect(server.set("k", "d", nx=True), None)
expect(server.set("none", "d", xx=True), None)

# Other types
expect(server.hset("h", mapping={"f": "1", "g": "2"}), 2)
expect(server.hgetall("h"), {b"f": b"1", b"g": b"2"})
expect(server.sadd("s", "x", "y"), 2)
expect(server.smembers("s"), {b"x", b"y"})
expect(server.rpush("l", "a", "b"), 2)
expect(server.lrange("l", 0, -1), [b"a", b"b"])
expect(server.type("l"), b"list")
expect("redis_version" in server.info(), True)
expect(server.config_get("databases"), {"databases": "1"})

# Transactions
with server.pipeline() as pipe:
    expect(pipe.set("t", 1).incr("t").hgetall("h").execute(), [True, 2, {b"f": b"1", b"g": b"2"}])
with server.pipeline() as pipe:
    pipe.watch("t")
    server.set("t", 10)
    pipe.multi()
    pipe.incr("t")
    try:
        pipe.execute()
        raise AssertionError("a change of a watched key was not noticed")
    except redis.WatchError:
        pass
expect(server.get("t"), b"10")

# Messages
listener = server.pubsub()
listener.subscribe("news")
expect(listener.get_message(timeout=20)["type"], "subscribe")
expect(server.publish("news", "hello"), 1)
expect(listener.get_message(timeout=20)["data"], b"hello")
listener.close()

# The connection
expect(server.client_setname("me"), True)
expect(server.client_id() > 0, True)
try:
    server.lpop("h")
    raise AssertionError("a command for another type did not fail")
except redis.ResponseError as error:
    expect(str(error).startswith("WRONGTYPE"), True)
print(f"redis-py {redis.__version__} works")
