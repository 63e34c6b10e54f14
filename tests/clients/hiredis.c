/* SPDX-License-Identifier: MIT */
/* Uses mini_redis through hiredis, with its default options.  usage: hiredis PORT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

static redisContext* server;

static redisReply* check(redisReply* reply, const char* command) {
    if (reply == NULL) {
        fprintf(stderr, "%s: %s\n", command, server->errstr);
        exit(1);
    }
    return reply;
}

/* Sends a command. Its reply must be a status or a string with this text. */
static void expect_text(const char* command, const char* wanted) {
    redisReply* reply = check(redisCommand(server, command), command);
    if (reply->str == NULL || strcmp(reply->str, wanted) != 0) {
        fprintf(stderr, "%s: got %s, expected %s\n", command, reply->str ? reply->str : "no text", wanted);
        exit(1);
    }
    freeReplyObject(reply);
}

static void expect_integer(const char* command, long long wanted) {
    redisReply* reply = check(redisCommand(server, command), command);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != wanted) {
        fprintf(stderr, "%s: got type %d, %lld, expected %lld\n", command, reply->type, reply->integer, wanted);
        exit(1);
    }
    freeReplyObject(reply);
}

static void expect_type(const char* command, int type, size_t elements) {
    redisReply* reply = check(redisCommand(server, command), command);
    if (reply->type != type || reply->elements != elements) {
        fprintf(stderr, "%s: got type %d with %zu elements\n", command, reply->type, reply->elements);
        exit(1);
    }
    freeReplyObject(reply);
}

int main(int argc, char** argv) {
    server = redisConnect("127.0.0.1", argc > 1 ? atoi(argv[1]) : 6379);
    if (server == NULL || server->err) {
        fprintf(stderr, "cannot connect: %s\n", server ? server->errstr : "no memory");
        return 1;
    }
    expect_text("FLUSHALL", "OK");
    expect_text("PING", "PONG");
    expect_text("SET k v EX 100", "OK");
    expect_text("SET k w KEEPTTL GET", "v");
    expect_integer("TTL k", 100);
    expect_integer("INCRBY n 5", 5);
    expect_integer("DECRBY n 2", 3);
    expect_type("GET none", REDIS_REPLY_NIL, 0);
    expect_type("HSET h f 1 g 2", REDIS_REPLY_INTEGER, 0);
    expect_type("HGETALL h", REDIS_REPLY_ARRAY, 4);
    expect_text("MULTI", "OK");
    expect_text("INCR n", "QUEUED");
    expect_text("GET n", "QUEUED");
    expect_type("EXEC", REDIS_REPLY_ARRAY, 2);
    expect_type("LPOP h", REDIS_REPLY_ERROR, 0);
    /* A pipeline. */
    for (int i = 0; i < 1000; ++i) redisAppendCommand(server, "ECHO %d", i);
    for (int i = 0; i < 1000; ++i) {
        void* reply = NULL;
        if (redisGetReply(server, &reply) != REDIS_OK || atoi(((redisReply*)reply)->str) != i) return 1;
        freeReplyObject(reply);
    }
    expect_type("SUBSCRIBE news", REDIS_REPLY_ARRAY, 3);
    redisFree(server);
    printf("hiredis %d.%d works\n", HIREDIS_MAJOR, HIREDIS_MINOR);
    return 0;
}
