#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests eddy-check with the corpus: it must report each case that a compiler compiles wrongly, with the name of its
shape, and no other case. Also tests the command: files, options, exit codes."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import corpus
import run

CHECKER = run.HERE.parent.parent / "tools" / "eddy-check"

# Reported although no version of GCC compiles these wrongly: a variant of each is wrong.
ACCEPTED = {
    "and_or__if_not", "list_array_of_conditional", "tuple_binding", "tuple_binding_loop",
    "list_of_numbers", "list_parameter", "list_of_items", "list_of_items_named_type", "list_of_awaits", "list_of_awaited_items",
    "list_beside",  # refused by the compiler, so not silent
}


def check(arguments, folder, status):
    done = subprocess.run([sys.executable, str(CHECKER), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != status:
        raise SystemExit(f"eddy-check {' '.join(arguments)}: exit code {done.returncode}, expected {status}\n{done.stdout[-2000:]}{done.stderr}")
    return done.stdout, done.stderr


def is_wrong(case, stored):
    return any(column.get(case.name, "ok") not in ("ok", *run.REFUSED) for column in stored.values())


def expected_shapes(case):
    """The shape of the expression, and that of the place."""
    shapes = {form: shape for form, shape, *_ in run.SHAPES}
    found = {shapes.get(case.form), shapes.get(run.shape_of(case))}
    if run.is_condition_without_local(case):
        found.add("condition-without-local")
    return found


def test_corpus(folder):
    cases, stored, failures = corpus.cases(), run.read_stored(), []
    text, case_of_line = corpus.source(cases)
    (folder / "all.cpp").write_text(text, encoding="utf-8")
    (folder / "mini.hpp").write_bytes((run.HERE / "mini.hpp").read_bytes())
    said, _ = check(["all.cpp", "--", "-std=c++23"], folder, 1)
    reported = {}
    for line in said.splitlines():
        found = re.fullmatch(r"all\.cpp:(\d+):\d+: ([a-z-]+): .*; fix: .*", line)
        if not found:
            failures.append(f"unexpected output: {line}")
        else:
            reported.setdefault(case_of_line[int(found[1])], set()).add(found[2])
    for case in cases:
        shapes = reported.get(case.name, set())
        if is_wrong(case, stored) and not shapes & expected_shapes(case):
            failures.append(f"{case.name} is compiled wrongly by a compiler, but eddy-check reports {shapes or 'nothing'}")
        if shapes and not is_wrong(case, stored) and case.name not in ACCEPTED:
            failures.append(f"{case.name} is compiled correctly by all compilers, but eddy-check reports {shapes}")
    if failures:
        raise SystemExit("\n".join(failures))
    print(f"{len(cases)} cases, {sum(is_wrong(case, stored) for case in cases)} of them wrong, {len(reported)} reported")


CORRECT = '#include "mini.hpp"\nmini::task<int> work() { int x = co_await mini::f(1); co_return x; }\n'
WRONG = '#include "mini.hpp"\nmini::task<int> work(bool b) { co_return b ? co_await mini::f(1) : 2; }\n'
TEMPLATES = """#include "mini.hpp"
template <class T> mini::task<int> unused(T b) { co_return b ? co_await mini::f(1) : 2; }
template <class T> mini::task<int> used(T b) { co_return b ? co_await mini::f(1) : 2; }
mini::task<int> uses() { int x = co_await used(true); co_return x; }
"""
DISCARDS = """#include <expected>
#include "mini.hpp"
mini::task<std::expected<int, int>> fails() { co_return std::expected<int, int>(1); }
mini::task<int> wrong() { co_await fails(); co_return 1; }
mini::task<int> right() { auto r = co_await fails(); static_cast<void>(co_await fails()); co_return r.value(); }
"""
# A do statement without a condition.
BROKEN_TREE = """FunctionDecl 0x1 <a.cpp:1:1, col:9> col:5 f 'task<int> ()'
`-CoroutineBodyStmt 0x2 <col:1>
  `-CompoundStmt 0x3 <col:1>
    `-DoStmt 0x4 <col:1>
      `-NullStmt 0x5 <col:1>
"""
LOCKS = """#include <mutex>
#include <utility>
#include "mini.hpp"
std::mutex m;
void keep(std::unique_lock<std::mutex>);
mini::task<int> right_block() { { std::lock_guard held(m); } int x = co_await mini::f(1); co_return x; }
mini::task<int> right_after() { int x = co_await mini::f(1); std::lock_guard held(m); co_return x; }
mini::task<int> right_unlocked() { std::unique_lock held(m); held.unlock(); int x = co_await mini::f(1); co_return x; }
mini::task<int> right_moved() { std::unique_lock held(m); keep(std::move(held)); int x = co_await mini::f(1); co_return x; }
mini::task<int> wrong() { std::lock_guard held(m); int x = co_await mini::f(1); co_return x; }
mini::task<int> wrong_loop() { std::scoped_lock held(m); for (;;) { int x = co_await mini::f(1); if (x) co_return x; } }
mini::task<int> wrong_constant() { const std::lock_guard held(m); int x = co_await mini::f(1); co_return x; }
mini::task<int> wrong_late() { std::unique_lock held(m); int x = co_await mini::f(1); held.unlock(); co_return x; }
"""
LAMBDAS = """#include <vector>
#include "mini.hpp"
using mini::task;
template <class T> int spawn(T&&) { return 0; }
template <class T> int block_on(T&&) { return 0; }
template <class T> task<int> join(T&&) { return mini::f(1); }
struct set { int spawn(task<int>); };
struct join_handle { join_handle(join_handle&&); ~join_handle(); void detach(); };
template <class T> join_handle spawn_background(T&&) { return static_cast<join_handle&&>(*static_cast<join_handle*>(nullptr)); }
void right_detached(int n) { spawn_background([n]() -> task<int> { co_return n; }).detach(); }
void wrong_detached(int n) { spawn_background([n]() -> task<int> { co_return n; }()).detach(); }
task<int> right_awaited(int n) { int x = co_await [n]() -> task<int> { co_return n; }(); co_return x; }
task<int> right_spawned(int n) { int x = co_await join([n]() -> task<int> { co_return n; }()); co_return x; }
int right_blocks(int n) { return block_on([n]() -> task<int> { co_return n; }()); }
int right_blocks_on_spawn(int n) { return block_on(spawn([n]() -> task<int> { co_return n; }())); }
int right_empty() { auto t = []() -> task<int> { co_return 1; }(); return block_on(t); }
int right_kept(int n) { auto f = [n]() -> task<int> { co_return n; }; return spawn(f()); }
int right_passed(int n) { return spawn([n]() -> task<int> { co_return n; }); }
int right_plain(int n) { auto x = [n] { return n; }(); return x; }
int wrong_variable(int n) { auto t = [n]() -> task<int> { co_return n; }(); return block_on(t); }
task<int> wrong_return(int n) { return [n]() -> task<int> { co_return n; }(); }
int wrong_spawn(int n) { spawn([&n]() -> task<int> { co_return n; }()); return 0; }
int wrong_handle(int n) { auto handle = spawn([n]() -> task<int> { co_return n; }()); return handle; }
int wrong_member(set& s, int n) { static_cast<void>(s.spawn([n]() -> task<int> { co_return n; }())); return 0; }
void wrong_list(std::vector<task<int>>& all, int n) { all.push_back([n]() -> task<int> { co_return n; }()); }
int wrong_joined(int n) { auto both = join([n]() -> task<int> { co_return n; }()); return block_on(both); }
task<int> wrong_inside(int n) { spawn([n]() -> task<int> { co_return n; }()); co_return 1; }
"""


CLOSURES = """#include <memory>
#include "mini.hpp"
using mini::task;
using owner = std::unique_ptr<int>;
struct adaptor;
adaptor make();
struct adaptor : task<int> { template <class F> adaptor map(F&&) && { return make(); } };
struct runtime { template <class F> adaptor spawn(F&&) { return make(); } };
struct boxed : task<int> { boxed(adaptor); };
struct stream { template <class F> stream map(F&&) && { return *this; } stream take(int) &&; adaptor count() &&; };
adaptor ready(int);
stream of(int, int);
template <class F> adaptor spawn(F&&) { return make(); }
template <class F> adaptor poll_fn(F&&) { return make(); }
template <class F> adaptor serve(int, F&&) { return make(); }
template <class T> task<int> try_(T&&) { return mini::f(1); }
int same(int);
task<int> right_named(owner p) { auto work = spawn([p = std::move(p)] { return *p; }).map(same); int x = co_await work; co_return x; }
task<int> right_stream(owner p) { auto n = of(1, 2).map([p = std::move(p)](int i) { return *p + i; }).count(); int x = co_await n; co_return x; }
task<int> right_boxed(owner p) { boxed work = spawn([p = std::move(p)] { return *p; }); int x = co_await work; co_return x; }
task<int> right_closure(owner p) { auto f = [p = std::move(p)] { return *p; }; int x = co_await spawn(std::move(f)); co_return x; }
task<int> right_reference(owner p) { int x = co_await spawn([&p] { return *p; }); co_return x; }
task<int> wrong_map(owner p) { co_return co_await ready(1).map([p = std::move(p)](int i) { return i + *p; }); }
task<int> wrong_spawn(owner p) { const int x = co_await spawn([p = std::move(p)] { return *p; }); co_return x; }
task<int> wrong_map_of_spawn(owner p) { const int x = co_await spawn([p = std::move(p)] { return *p; }).map(same); co_return x; }
task<int> wrong_member(runtime on, owner p) { const int x = co_await on.spawn([p = std::move(p)] { return *p; }).map(same); co_return x; }
task<int> wrong_try(owner p) { co_return co_await try_(poll_fn([p = std::move(p)] { return *p; }).map(same)); }
task<int> wrong_boxed(owner p) { const int x = co_await boxed(spawn([p = std::move(p)] { return *p; })); co_return x; }
task<int> wrong_stream(owner p) { co_return co_await of(1, 2).map([p = std::move(p)](int i) { return *p + i; }).take(2).count(); }
task<int> wrong_statement(owner p) { static_cast<void>(co_await serve(1, [p = std::move(p)](int) { ++*p; })); co_return 1; }
"""
GUARDS = """#include <memory>
#include <string>
#include <string_view>
#include "mini.hpp"
using mini::task;
struct data { int number = 0; std::string name; };
struct basic_guard { ~basic_guard(); data& operator*() const; data* operator->() const; };
struct mutex_guard : basic_guard {};
struct lock_future : task<int> { mutex_guard await_resume(); };
lock_future lock();
basic_guard get();
std::unique_ptr<data> make();
task<int> right_named() { auto guard = co_await lock(); data& d = *guard; int& n = guard->number; co_return n + d.number; }
task<int> right_copy() { data d = *co_await lock(); int n = (co_await lock())->number; co_return n + d.number; }
task<int> right_used() { (co_await lock())->number = 1; co_return 1; }
task<int> right_other(data& from) { data& d = from; auto& p = d.number; co_return p; }
task<int> wrong_star() { data& d = *co_await lock(); co_return d.number; }
task<int> wrong_arrow() { int& n = (co_await lock())->number; co_return n; }
task<int> right_pointer() { auto guard = co_await lock(); data* d = &*guard; co_return d->number; }
task<int> right_view() { std::string copy = (co_await lock())->name; std::string_view v = copy; co_return (int)v.size(); }
task<int> wrong_auto() { auto& d = *get(); co_return d.number; }
task<int> wrong_pointer() { data* d = &*co_await lock(); co_return d->number; }
task<int> wrong_pointer_to_member() { int* n = &(co_await lock())->number; co_return *n; }
task<int> wrong_view() { std::string_view v = (co_await lock())->name; co_return (int)v.size(); }
"""
BODIES = """#include <span>
#include <string>
#include <vector>
#include "mini.hpp"
using mini::task;
struct scope_handle { template <class T> void spawn(T&&) {} };
template <class F> task<int> scope(F&&) { return mini::f(1); }
task<int> read(const std::string&);
task<int> point(const std::string*);
struct object { task<int> run(); ~object(); };
task<int> keep(std::string);
task<int> both(int, const std::string&);
task<int> sum(std::span<const int>);
inline task<int> copies(const std::string& s) { return keep(s); }
task<int> right_plain() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; s.spawn(copies(text)); co_return 1; }); }
task<int> right_outside(std::string text) { co_return co_await scope([&](scope_handle& s) -> task<int> { s.spawn(read(text)); s.spawn([&] { return read(text); }); co_return 1; }); }
task<int> right_copy() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; s.spawn(keep(text)); s.spawn(keep(std::move(text))); s.spawn([text] { return read(text); }); co_return 1; }); }
task<int> right_reference(std::string& outer) { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string& text = outer; s.spawn(read(text)); co_return 1; }); }
task<int> right_view(const std::vector<int>& outer) { co_return co_await scope([&](scope_handle& s) -> task<int> { const auto part = std::span(outer).first(1); s.spawn(sum(part)); co_return 1; }); }
task<int> right_static() { co_return co_await scope([&](scope_handle& s) -> task<int> { static std::string text; s.spawn(read(text)); co_return 1; }); }
task<int> right_moved_task() { co_return co_await scope([&](scope_handle& s) -> task<int> { auto work = keep(""); s.spawn(std::move(work)); co_return 1; }); }
task<int> right_closure() { co_return co_await scope([&](scope_handle& s) -> task<int> { auto work = [](int n) -> task<int> { co_return n; }; s.spawn(work(1)); co_return 1; }); }
task<int> wrong_closure() { co_return co_await scope([&](scope_handle& s) -> task<int> { int n = 1; auto work = [n]() -> task<int> { co_return n; }; s.spawn(work()); co_return 1; }); }
task<int> wrong_task() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; auto work = read(text); s.spawn(std::move(work)); co_return 1; }); }
task<int> wrong_object() { co_return co_await scope([&](scope_handle& s) -> task<int> { object one; s.spawn(one.run()); co_return 1; }); }
task<int> wrong_argument() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; s.spawn(read(text)); co_return 1; }); }
task<int> wrong_second() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; s.spawn(both(1, text)); co_return 1; }); }
task<int> wrong_view() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::vector<int> all; s.spawn(sum(all)); co_return 1; }); }
task<int> wrong_pointer() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; s.spawn(point(&text)); co_return 1; }); }
task<int> wrong_capture() { co_return co_await scope([&](scope_handle& s) -> task<int> { std::string text; s.spawn([&] { return read(text); }); co_return 1; }); }
task<int> wrong_block(bool b) { co_return co_await scope([&](scope_handle& s) -> task<int> { if (b) { std::string text; s.spawn([&text] { return read(text); }); } co_return 1; }); }
"""
DETACHED = """#include <string>
#include "mini.hpp"
using mini::task;
template <class T> int spawn(T&&) { return 0; }
task<int> read(const std::string&);
task<int> right_copy() { std::string text; spawn([text] { return read(text); }); co_return 1; }
task<int> right_kept() { std::string text; auto handle = spawn([&] { return read(text); }); co_return handle; }
task<int> right_reference(std::string& text) { spawn([&] { return read(text); }); co_return 1; }
task<int> right_static() { static std::string text; spawn([&] { return read(text); }); co_return 1; }
task<int> wrong_local() { std::string text; spawn([&] { return read(text); }); co_return 1; }
task<int> wrong_block(bool b) { if (b) { std::string text; spawn([&text]() -> task<int> { co_return co_await read(text); }); } co_return 1; }
task<int> wrong_parameter(std::string text) { static_cast<void>(spawn([&] { return read(text); })); co_return 1; }
"""
BORROWS = """#include <string>
#include <string_view>
#include <functional>
#include <memory>
#include <optional>
#include <expected>
#include <system_error>
#include <vector>
#include "mini.hpp"
using mini::task;
struct join_handle { join_handle(join_handle&&); ~join_handle(); void detach(); int abort(); };
template <class T> join_handle spawn(T&&) { return static_cast<join_handle&&>(*static_cast<join_handle*>(nullptr)); }
template <class T> join_handle spawn_blocking(T&&) { return static_cast<join_handle&&>(*static_cast<join_handle*>(nullptr)); }
template <class T> task<int> timeout(int, T&&) { return mini::f(1); }
struct join_set { template <class T> void spawn(T&&) {} task<int> next(); ~join_set(); };
struct router { router(); router(router&&); ~router(); router& get(const char*, std::function<int()>); };
template <class T> struct async_generator { struct promise_type { async_generator get_return_object(); std::suspend_always initial_suspend(); std::suspend_always final_suspend() noexcept; std::suspend_always yield_value(T); void return_void(); void unhandled_exception(); }; async_generator(async_generator&&); ~async_generator(); };
namespace http { struct response { response(response&&); ~response(); }; template <class S> response event_stream(S) { return static_cast<response&&>(*static_cast<response*>(nullptr)); } }
async_generator<int> events(const std::string&);
async_generator<int> owned_events(std::string);
struct service { service(router); service(std::function<int()>); ~service(); };
struct layer {};
router operator|(router&, layer);
struct runtime { template <class T> join_handle spawn(T&&); };
struct guard { ~guard(); void unlock(); };
struct lock_future : task<int> { guard await_resume(); };
struct mutex { lock_future lock(); };
struct server { task<int> run(); ~server(); mutex m; };
template <class T> void drop(T&&) {}
task<int> log(std::string_view);
task<int> read(const std::string&);
task<int> point(const std::string*);
task<int> keep(std::string);
task<int> apply(task<int> (&)(int));
struct headers { std::optional<std::string_view> get(std::string_view) const; };
struct request { template <class T> std::optional<T> param(std::string_view) const; std::optional<std::string> query(std::string_view) const; };
struct table { std::optional<std::string_view> get(std::string_view) const; };
namespace eddy::http { class client_error {}; }
task<std::expected<std::string, eddy::http::client_error>> requests();
std::string global;
task<std::expected<std::string, std::error_code>> fails();
task<int> right_literal() { spawn(log("literal")).detach(); co_return 1; }
task<int> right_copies() { std::string text; spawn(keep(text)).detach(); spawn(keep(std::move(text))); co_return 1; }
task<int> right_shared() { auto s = std::make_shared<server>(); spawn(s->run()).detach(); co_return 1; }
task<int> right_reference(const std::string& text) { return read(text); }
task<int> right_view(std::string_view text) { return log(text); }
task<int> right_function(task<int> (&of)(int)) { return apply(of); }
task<int> right_global() { return read(global); }
task<int> right_moved(std::string text) { return keep(std::move(text)); }
task<int> right_awaited() { int x = co_await read("long"); std::string text; auto later = read(text); x += co_await later; auto other = keep("long"); x += co_await other; co_return x; }
task<join_handle> right_copied() { int n = 0; auto h = spawn([n] { return n; }); co_return h; }
task<int> right_kept() { int n = 0; auto h = spawn([&] { return n; }); co_return 1; }
router right_router(std::string& name, std::shared_ptr<int> count) { router app; app.get("/", [&name] { return (int)name.size(); }).get("/x", [count] { return *count; }); return app; }
task<int> right_unlocked() { mutex m, n; { auto g = co_await m.lock(); auto h = co_await n.lock(); } auto g = co_await m.lock(); g.unlock(); auto h = co_await m.lock(); drop(std::move(h)); auto i = co_await m.lock(); co_return 1; }
task<int> right_two_mutexes(server* s, server* t) { auto g = co_await s->m.lock(); auto h = co_await t->m.lock(); co_return 1; }
task<int> right_loop(mutex& m) { for (int i = 0; i < 3; ++i) { auto g = co_await m.lock(); } co_return 1; }
task<int> right_set() { std::string text; join_set set; set.spawn(keep(text)); int x = co_await set.next(); co_return x; }
task<int> right_blocking() { int n = 0; auto h = spawn_blocking([&] { ++n; }); int x = co_await timeout(1, spawn_blocking([n] { return n; })); co_return x; }
task<int> right_tested() { auto r = co_await fails(); if (!r) co_return 1; co_return (int)r->size(); }
task<int> right_captured() { auto r = co_await fails(); auto f = [&] { return r.has_value(); }; co_return f() ? (int)r->size() : 0; }
struct handle { std::shared_ptr<server> p; task<int> get() const { return keep("x"); } task<int> later() const; ~handle(); };
inline task<int> copies(const std::string& s) { return keep(s); }
template <class T> task<int> any(const T& s) { return keep(s); }
task<int> handle::later() const { return keep("x"); }
task<int> right_method() { handle h; return h.get(); }
task<int> right_method_outside() { handle h; return h.later(); }
task<int> right_plain() { std::string text; return copies(text); }
task<int> right_template() { std::string text; spawn(any(text)).detach(); co_return 1; }
task<int> right_spawned() { handle h; spawn(h.get()).detach(); co_return 1; }
task<int> right_temporary() { auto later = copies("long"); int x = co_await later; co_return x; }
task<int> right_other(mutex* m, mutex* n) { auto g = co_await m->lock(); m = n; auto h = co_await m->lock(); co_return 1; }
task<int> right_next(mutex* m) { auto g = co_await m->lock(); ++m; auto h = co_await m->lock(); co_return 1; }
task<int> right_reset(std::shared_ptr<server> s, std::shared_ptr<server> t) { auto g = co_await s->m.lock(); s = t; auto h = co_await s->m.lock(); s.reset(new server); auto i = co_await s->m.lock(); co_return 1; }
task<int> right_named_task() { std::string text; auto work = read(text); int x = co_await std::move(work); auto other = keep(text); spawn(std::move(other)).detach(); co_return x; }
task<int> right_ended() { int n = 0; auto h = spawn([&] { return n; }); h.abort(); h.detach(); co_return 1; }
task<int> right_closure() { auto work = [](std::string s) -> task<int> { co_return (int)s.size(); }; spawn(work("x")).detach(); co_return 1; }
task<int> right_closure_awaited() { int n = 0; auto work = [&n]() -> task<int> { co_return n; }; int x = co_await work(); auto h = spawn(work()); co_return x; }
task<int> right_plain_closure(std::string text) { auto twice = [&](std::string s) { return keep(text + s); }; spawn(twice("x")).detach(); co_return 1; }
service right_layers(std::shared_ptr<int> n) { router app; app.get("/", [n] { return *n; }); return app | layer(); }
service right_service(std::shared_ptr<int> n) { return std::function<int()>([n] { return *n; }); }
task<int> right_served() { int n = 0; router app; app.get("/", [&n] { return n; }); auto same = app | layer(); int x = co_await keep("x"); co_return x + n; }
task<int> right_lookup(headers h, request r, table t) { auto f = h.get("x"); if (!f) co_return 1; auto n = r.param<int>("id"); co_return n ? *n + (int)f->size() : (int)t.get("x")->size(); }
task<int> right_response() { auto r = co_await requests(); co_return r ? (int)r->size() : 0; }
task<int> right_parameter(join_set& set) { std::string text; set.spawn(read(text)); co_return 1; }
task<http::response> right_events() { std::string text; co_return http::event_stream(owned_events(text)); }
task<http::response> right_named_events() { std::string text; auto all = owned_events(text); auto made = http::event_stream(std::move(all)); co_return made; }
task<int> right_read_events() { std::string text; auto all = events(text); int x = co_await keep("x"); co_return x; }
task<http::response> wrong_events() { std::string text; co_return http::event_stream(events(text)); }  // reports borrowed-by-returned
task<http::response> wrong_named_events() { std::string text; auto all = events(text); co_return http::event_stream(std::move(all)); }  // reports borrowed-by-returned
task<http::response> wrong_named_response(std::string text) { auto made = http::event_stream(events(text)); co_return made; }  // reports borrowed-by-returned
task<http::response> wrong_temporary_events() { auto all = events("long"); co_return http::event_stream(std::move(all)); }  // reports borrowed-temporary
task<int> wrong_view() { std::string text; spawn(log(text)).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_reference() { std::string text; spawn(read(text)); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_member() { server s; spawn(s.run()).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_plain() { std::string text; return read(text); }  // reports borrowed-by-returned
task<int> wrong_temporary() { auto later = read("long"); int x = co_await later; co_return x; }  // reports borrowed-temporary
task<join_handle> wrong_handle() { int n = 0; auto h = spawn([&] { return n; }); co_return h; }  // reports borrowed-by-returned
task<join_handle> wrong_spawned() { int n = 0; co_return spawn([&] { return n; }); }  // reports borrowed-by-returned
router wrong_router() { std::string name; router app; app.get("/", [&] { return (int)name.size(); }); return app; }  // reports borrowed-by-returned
task<int> wrong_lock() { mutex m; auto g = co_await m.lock(); auto h = co_await m.lock(); co_return 1; }  // reports locked-twice
task<int> wrong_lock_of_other(server* s, server* t) { auto g = co_await s->m.lock(); t = s; auto h = co_await s->m.lock(); co_return 1; }  // reports locked-twice
task<int> wrong_coroutine() { handle h; auto f = read("x"); spawn(h.get()); co_return co_await f; }  // reports borrowed-temporary
task<int> wrong_set() { std::string text; join_set set; set.spawn(read(text)); int x = co_await set.next(); co_return x; }  // reports borrowed-by-set
task<int> wrong_blocking() { int n = 0; int x = co_await timeout(1, spawn_blocking([&] { ++n; })); co_return x; }  // reports borrowed-by-blocking
task<int> wrong_field(headers h) { co_return (int)(*h.get("x")).size() + (int)h.get("y")->size(); }  // reports unchecked-result
join_handle wrong_view_in_plain() { std::string text; return spawn(log(text)); }  // reports borrowed-by-returned
task<int> wrong_pointer() { std::string text; spawn(point(&text)).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_closure() { int n = 0; auto work = [&n]() -> task<int> { co_return n; }; spawn(work()).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_copies() { int n = 0; auto work = [n]() -> task<int> { co_return n; }; spawn(work()).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_named_task() { std::string text; auto work = read(text); spawn(std::move(work)).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_detached_later() { std::string text; auto h = spawn(read(text)); int x = co_await keep("x"); h.detach(); co_return x; }  // reports borrowed-by-detached
task<int> wrong_on_runtime(runtime& on) { std::string text; on.spawn(read(text)).detach(); co_return 1; }  // reports borrowed-by-detached
task<int> wrong_returned_task() { std::string text; auto work = read(text); return work; }  // reports borrowed-by-returned
task<int> wrong_returned_closure() { int n = 0; auto work = [n]() -> task<int> { co_return n; }; return work(); }  // reports borrowed-by-returned
router wrong_handler() { int n = 0; router app; auto handler = [&n] { return n; }; app.get("/", handler); return app; }  // reports borrowed-by-returned
service wrong_layers() { int n = 0; router app; app.get("/", [&n] { return n; }); return app | layer(); }  // reports borrowed-by-returned
template <class Layer> service right_template(router app, Layer layer) { return app | layer; }
service wrong_service() { int n = 0; return std::function<int()>([&n] { return n; }); }  // reports borrowed-by-returned
task<int> wrong_temporary_of_function(std::string (&make)()) { auto later = read(make()); int x = co_await later; co_return x; }  // reports borrowed-temporary
task<int> wrong_temporary_in_vector(std::vector<task<int>>& all) { all.push_back(read("long")); co_return 1; }  // reports borrowed-temporary
task<int> wrong_set_of_pointer() { std::string text; join_set set; set.spawn(point(&text)); int x = co_await set.next(); co_return x; }  // reports borrowed-by-set
task<int> wrong_named_field(headers h) { auto f = h.get("x"); co_return (int)f->size(); }  // reports unchecked-result
task<int> wrong_lookup(request r) { co_return *r.param<int>("id") + (int)r.query("x")->size(); }  // reports unchecked-result
task<int> wrong_response() { auto r = co_await requests(); co_return (int)r->size(); }  // reports unchecked-result
task<int> wrong_unchecked() { auto r = co_await fails(); co_return (int)r->size(); }  // reports unchecked-result
"""
CONDITIONS = """#include "mini.hpp"
using namespace mini;
task<int> right_named() { const bool done = co_await yes(); if (!done) co_return 1; co_return 2; }
task<int> wrong_if() { if (!co_await yes()) co_return 1; co_return 2; }
task<int> wrong_while(int n) { while (!co_await yes()) ++n; co_return n; }
task<int> wrong_switch() { switch (co_await yes() ? 1 : 2) { case 1: co_return 1; default: co_return 2; } }
task<int> wrong_or(bool b) { if (b || co_await yes()) co_return 3; co_return 4; }
action wrong_generator() { if (co_await yes()) co_yield 1; }
"""


# Many mistakes in one namespace, each in a function with a generic lambda.
MANY = "\n".join(['#include "mini.hpp"', "namespace app {", "using mini::task;", *(
    f"task<int> wrong_{n}(bool b) {{ auto l = [](auto x) -> task<int> {{ co_return x; }}; int z = co_await l({n}); co_return b ? co_await mini::f(1) : z; }}"
    for n in range(40)), "}", ""])


def test_shape(folder, text, shape):
    """The functions whose names begin with wrong_ are the ones that are reported, and for this shape."""
    (folder / "shape.cpp").write_text(text, encoding="utf-8")
    said, _ = check(["shape.cpp", "--", "-std=c++23"], folder, 1)
    found = {(int(line), name) for line, name in re.findall(r"^shape\.cpp:(\d+):\d+: ([a-z-]+): ", said, re.MULTILINE)}
    wanted = {(n, shape) for n, line in enumerate(text.split("\n"), 1) if " wrong_" in line}
    if found != wanted:
        raise SystemExit(f"unexpected report: {said}\nmissing: {sorted(wanted - found)}, false: {sorted(found - wanted)}")


def test_borrows(folder):
    """A line that is reported ends with the name of the shape. A line may be reported several times."""
    (folder / "borrows.cpp").write_text(BORROWS, encoding="utf-8")
    said, _ = check(["--discarded-results", "borrows.cpp", "--", "-std=c++23"], folder, 1)
    found = {(int(line), name) for line, name in re.findall(r"^borrows\.cpp:(\d+):\d+: ([a-z-]+): ", said, re.MULTILINE)}
    wanted = {(n, line.split("// reports ")[1]) for n, line in enumerate(BORROWS.split("\n"), 1) if "// reports " in line}
    if found != wanted:
        raise SystemExit(f"unexpected report: {said}\nmissing: {sorted(wanted - found)}, false: {sorted(found - wanted)}")


def test_mistakes(folder):
    """Each function of tests/mistakes/checked.cpp is reported with the answer of docs/mistakes.md."""
    top = CHECKER.parent.parent
    sys.path.insert(0, str(top / "tools"))
    import check_mistakes  # pylint: disable=import-outside-toplevel
    wanted = {row.name: row.parts[0] for row in check_mistakes.rows() if row.when in ("check", "results")}
    source = top / "tests" / "mistakes" / "checked.cpp"
    lines = source.read_text(encoding="utf-8").split("\n")
    includes = [f"-I{path}" for path in sorted(top.glob("*/include"))]
    said, _ = check(["--discarded-results", str(source), "--", "-std=c++23", *includes], folder, 1)
    found = {}
    for line, message in re.findall(r"checked\.cpp:(\d+):\d+: (.*)", said):
        names = [each[1] for each in (re.match(r"[a-z].* (\w+)\(.*\{", text) for text in lines[:int(line)]) if each]
        found.setdefault(names[-1], []).append(message)
    wrong = [name for name in wanted.keys() | found.keys()
             if name not in found or not all(wanted.get(name, "none") in message for message in found[name])]
    if wrong:
        raise SystemExit(f"unexpected report: {said}\nnot as in docs/mistakes.md: {sorted(wrong)}")


def test_locks(folder):
    (folder / "locks.cpp").write_text(LOCKS, encoding="utf-8")
    said, _ = check(["locks.cpp", "--", "-std=c++23"], folder, 1)
    found = re.findall(r"^locks\.cpp:(\d+):\d+: ([a-z-]+): ", said, re.MULTILINE)
    if found != [("10", "lock-across-await"), ("11", "lock-across-await"), ("12", "lock-across-await"),
                 ("13", "lock-across-await")]:
        raise SystemExit(f"unexpected report: {said}")


def test_command(folder):
    (folder / "correct.cpp").write_text(CORRECT, encoding="utf-8")
    (folder / "wrong.cpp").write_text(WRONG, encoding="utf-8")
    (folder / "ignored.cpp").write_text(WRONG.rstrip() + "  // eddy-check: ignore\n", encoding="utf-8")
    (folder / "broken.cpp").write_text("int main() { return }\n", encoding="utf-8")
    (folder / "list").write_text("correct.cpp;wrong.cpp;notes.txt\n", encoding="utf-8")
    # The options of a GCC that Clang does not know, a launcher before the compiler, and a response file.
    (folder / "options").write_text("-DFROM_FILE -fno-gnu-unique", encoding="utf-8")
    gcc = "ccache g++ @options -fmodules-ts -fconcepts-diagnostics-depth=2 --param=ggc-min-expand=100 -Wlogical-op -Werror -MD -MF x.d -o x.o -std=gnu++23 -c"
    entries = [{"directory": str(folder), "command": f"{gcc} {name}", "file": name} for name in ("correct.cpp", "wrong.cpp", "ignored.cpp")]
    (folder / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")

    said, _ = check(["-p", ".", "-j", "2"], folder, 1)
    if not said.startswith("wrong.cpp:2:42: await-in-conditional: ") or said.count("\n") != 1:
        raise SystemExit(f"unexpected report: {said}")
    check(["-p", ".", "--sources", "list"], folder, 1)
    check(["-p", ".", "correct.cpp"], folder, 0)
    _, problem = check(["broken.cpp", "--", "-std=c++23"], folder, 2)
    if "Clang cannot parse" not in problem or "expected expression" not in problem:
        raise SystemExit(f"unexpected problem: {problem}")
    (folder / "discards.cpp").write_text(DISCARDS, encoding="utf-8")
    check(["discards.cpp", "--", "-std=c++23"], folder, 0)
    said, _ = check(["--discarded-results", "discards.cpp", "--", "-std=c++23"], folder, 1)
    if not said.startswith("discards.cpp:4:27: discarded-result: ") or said.count("\n") != 1:
        raise SystemExit(f"unexpected report: {said}")
    (folder / "templates.cpp").write_text(TEMPLATES, encoding="utf-8")
    said, note = check(["templates.cpp", "--", "-std=c++23"], folder, 1)
    if not said.startswith("templates.cpp:3:58: await-in-conditional: ") or said.count("\n") != 1:
        raise SystemExit(f"unexpected report: {said}")
    if not note.startswith("eddy-check: templates.cpp:2: this template is not checked, because no checked file uses it\neddy-check: 1 file"):
        raise SystemExit(f"unexpected note: {note}")
    (folder / "nothing").write_text("notes.txt\n", encoding="utf-8")
    _, problem = check(["--sources", "nothing"], folder, 2)
    if "there is no file to check" not in problem:
        raise SystemExit(f"unexpected problem: {problem}")
    check(["-p", ".", "broken.cpp"], folder, 2)  # not in compile_commands.json
    check(["-p", "missing"], folder, 2)
    check([], folder, 2)
    check(["--clang-query", "no-such-program", "correct.cpp"], folder, 2)


def test_unread(folder):
    """What clang-query leaves out, and what cannot be read, is a problem, and not silence."""
    (folder / "correct.cpp").write_text(CORRECT, encoding="utf-8")
    queries = CHECKER.read_text(encoding="utf-8").count("\nmatch ")
    for printed, expected in [("0 matches.\n" * (queries - 1), f"has answered {queries - 1} of {queries} questions about "),
                              ('Binding for "function":\n\n' + "0 matches.\n" * queries, "cannot read the syntax tree of a function in "),
                              ('Binding for "function":\n' + BROKEN_TREE + "\n" + "0 matches.\n" * queries, "cannot analyze a function at a.cpp:1:1: IndexError")]:
        (folder / "printed").write_text(printed, encoding="utf-8")
        (folder / "fake-query").write_text('#!/bin/sh\ncat "$(dirname "$0")/printed"\n', encoding="utf-8")
        (folder / "fake-query").chmod(0o755)
        _, problem = check(["--clang-query", "./fake-query", "correct.cpp"], folder, 2)
        if expected not in problem:
            raise SystemExit(f"unexpected problem: {problem}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(os.path.realpath(name))
        test_corpus(folder)
        test_shape(folder, LAMBDAS, "dead-lambda")
        test_shape(folder, CLOSURES, "closure")
        test_shape(folder, CONDITIONS, "condition-without-local")
        test_shape(folder, GUARDS, "unlocked-reference")
        test_shape(folder, MANY, "await-in-conditional")
        test_shape(folder, BODIES, "borrowed-from-body")
        test_shape(folder, DETACHED, "borrowed-by-detached")
        test_borrows(folder)
        test_mistakes(folder)
        test_locks(folder)
        test_command(folder)
        test_unread(folder)
    print("eddy-check passed")


if __name__ == "__main__":
    main()
