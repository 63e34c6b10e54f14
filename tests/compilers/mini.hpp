// SPDX-License-Identifier: MIT
// A lazy task over plain std::coroutine, and functions that record what a case does. The cases do not depend on eddy,
// so that a wrong result is the compiler's.
#pragma once
#include <algorithm>
#include <array>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#ifdef EDDY_CORPUS
#include <eddy/prelude.hpp>
#endif
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

namespace mini {

// ---- What a case records ----

inline bool flag = false;  // each case runs with true and with false
inline std::string trace;  // one letter per call
inline int alive = 0;      // items
inline int sink = 0;

[[noreturn]] inline void wrong(const char* what) {
    std::printf("%s\n", what);
    std::fflush(stdout);
    std::_Exit(1);
}

inline void note(char letter) { trace += letter; }

// ---- Types ----

// A class with a destructor. It detects a bitwise copy: its address is then another.
class item {
public:
    int n;
    item(int n = 0) : n(n) { ++alive; }
    item(const item& other) : n(other.n) {
        other.check();
        ++alive;
    }
    item(item&& other) noexcept : n(std::exchange(other.n, -1)) {
        other.check();
        ++alive;
    }
    item& operator=(const item& other) {
        check(), other.check();
        n = other.n;
        return *this;
    }
    ~item() {
        check();
        self_ = nullptr;
        --alive;
    }
    explicit operator bool() const { return get() == 1; }
    int get() const {
        check();
        return n;
    }

private:
    void check() const {
        if (self_ != this) wrong("destroyed twice");
    }
    const item* self_ = this;
};

// An aggregate with a destructor.
struct record {
    item a;
    int b = 0;
};

// An aggregate without a destructor.
struct plain {
    int a;
    int b;
};

// ---- The task ----

// At the end of a coroutine: continues the one that awaits it.
struct goes_back {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
        return ended.promise().back;
    }
    void await_resume() noexcept {}
};

#ifdef EDDY_CORPUS  // run.py --eddy: the same cases with the library's task

template <class T>
using task = eddy::task<T>;

template <class T>
T run(task<T> work) {
    return eddy::wait(std::move(work));
}

template <class T>
void start(task<T>& work) {
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    static_cast<void>(work.poll(cx));
}

inline auto never() { return eddy::pending(); }

#else

template <class T>
class [[nodiscard]] task {
public:
    struct promise_type {
        std::optional<T> value;
        std::exception_ptr error;
        std::coroutine_handle<> back = std::noop_coroutine();

        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        goes_back final_suspend() noexcept { return {}; }
        template <class U = T>
        void return_value(U&& made) {
            value.emplace(std::forward<U>(made));
        }
        void unhandled_exception() { error = std::current_exception(); }
    };

    explicit task(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
    task(task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    ~task() {
        if (frame_) frame_.destroy();
    }

    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
        frame_.promise().back = awaiting;
        return frame_;
    }
    T await_resume() {
        auto& promise = frame_.promise();
        if (promise.error) std::rethrow_exception(promise.error);
        if (!promise.value) wrong("body skipped");
        return std::move(*promise.value);
    }
    void start() { frame_.resume(); }
    T run() {
        start();
        return await_resume();
    }

private:
    std::coroutine_handle<promise_type> frame_;
};

template <class T>
T run(task<T> work) {
    return work.run();
}

template <class T>
void start(task<T>& work) {
    work.start();
}

inline std::suspend_always never() { return {}; }

#endif

// A coroutine without a result, which may co_yield: it continues at once, and the result of co_yield is its operand.
class [[nodiscard]] action {
public:
    struct promise_type {
        std::coroutine_handle<> back = std::noop_coroutine();
        action get_return_object() { return action(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        goes_back final_suspend() noexcept { return {}; }
        struct yielded {
            int n;
            bool await_ready() { return true; }
            void await_suspend(std::coroutine_handle<>) {}
            int await_resume() { return n; }
        };
        yielded yield_value(int n) { return note('y'), yielded{n}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };

    explicit action(std::coroutine_handle<promise_type> frame) : frame_(frame) {}
    action(action&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    ~action() {
        if (frame_) frame_.destroy();
    }

    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
        frame_.promise().back = awaiting;
        return frame_;
    }
    void await_resume() {}

private:
    std::coroutine_handle<promise_type> frame_;
};

// ---- What the cases await. The letter is recorded at the call, so a call that should not be made is seen. ----

template <class T>
task<T> later(T value) {
    co_return std::move(value);
}
inline task<int> body_of_item(item i) { co_return i.get(); }

inline task<int> f(int n) { return note('f'), later(n); }
inline task<int> g(int n) { return note('g'), later(n); }
inline task<bool> yes() { return note('y'), later(true); }
inline task<bool> no() { return note('n'), later(false); }
inline task<item> fi(int n) { return note('f'), later(item(n)); }
inline task<item> gi(int n) { return note('g'), later(item(n)); }
inline task<std::string> fs(int n) { return note('f'), later(std::string(30 + n, 's')); }
inline task<std::string> gs(int n) { return note('g'), later(std::string(30 + n, 's')); }
inline task<std::unique_ptr<int>> fp(int n) { return note('f'), later(std::make_unique<int>(n)); }
inline task<std::unique_ptr<int>> gp(int n) { return note('g'), later(std::make_unique<int>(n)); }

inline task<int> take(item i) { return note('t'), body_of_item(std::move(i)); }
inline task<int> take_ref(const item& i) { return note('t'), body_of_item(i); }
inline task<int> take_record_body(record r) { co_return r.a.get(); }
inline task<int> take_record(record r) { return note('t'), take_record_body(std::move(r)); }
inline task<int> take_plain_body(plain p) { co_return p.a; }
inline task<int> take_plain(plain p) { return note('t'), take_plain_body(p); }
inline task<int> take_string_body(std::string s) { co_return static_cast<int>(s.size()) - 30; }
inline task<int> take_string(std::string s) { return note('t'), take_string_body(std::move(s)); }
inline task<int> take_items_body(std::vector<item> v) { co_return v.at(0).get(); }
inline task<int> take_items(std::vector<item> v) { return note('t'), take_items_body(std::move(v)); }
inline task<int> take_ints_body(std::vector<int> v) { co_return v.at(0); }
inline task<int> take_ints(std::vector<int> v) { return note('t'), take_ints_body(std::move(v)); }
inline task<int> take_list_body(std::initializer_list<int> l) { return later(*l.begin()); }
inline task<int> take_list(std::initializer_list<int> l) { return note('t'), take_list_body(l); }
inline task<int> take_function_body(std::function<int()> c) { co_return c(); }
inline task<int> take_function(std::function<int()> c) { return note('t'), take_function_body(std::move(c)); }
template <class F>
task<int> call_body(F c) {
    co_return c();
}
template <class F>
task<int> call(F c) {
    return note('t'), call_body(std::move(c));
}
template <class F>
task<int> call_ref(F&& c) {
    return note('t'), later(c());
}
// An adaptor that takes a future by value.
template <class T>
task<T> through_body(task<T> inner) {
    T value = co_await inner;
    co_return value;
}
template <class T>
task<T> through(task<T> inner) {
    return note('a'), through_body(std::move(inner));
}

// ---- What the cases call. ----

inline int use(int n) { return n; }
inline int use_item(item i) { return i.get(); }
inline int use_item_ref(const item& i) { return i.get(); }
inline int use_record(record r) { return r.a.get(); }
inline int use_record_ref(const record& r) { return r.a.get(); }
inline int use_string(std::string s) { return static_cast<int>(s.size()) - 30; }
inline int use_two(int n, int m) { return m == 7 ? n : -1; }
inline std::vector<int> ints(int n) { return {n}; }

// ---- Running a case ----

struct expected {
    const char* calls;
    int value;
};

// Runs `work` with flag = true and flag = false. Exits with 1 and says what is wrong.
template <class Work>
void verify(Work work, expected if_true, expected if_false) {
    for (bool value : {true, false}) {
        const expected& want = value ? if_true : if_false;
        flag = value;
        trace.clear();
        sink = 0;
        int got = 0;
        {
            auto t = work();
            got = run(std::move(t));
        }
        if (trace.size() > std::string_view(want.calls).size()) wrong("operand evaluated that is not selected");
        if (trace != want.calls) wrong("calls missing or in another order");
        if (got != want.value) wrong("wrong value");
        if (alive < 0) wrong("destroyed twice");
        if (alive > 0) wrong("not destroyed");
    }
}

// Runs each case in a process of its own and prints one line per case: its name, and "ok" or what went wrong.
struct named_case {
    const char* name;
    void (*run)();
};

template <std::size_t Number>
int run_all(const named_case (&cases)[Number]) {
    for (const named_case& one : cases) {
        std::printf("%s\t", one.name);
        std::fflush(stdout);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(2);  // glibc's report of a double free
            ::alarm(30);
            const rlimit no_core{};
            ::setrlimit(RLIMIT_CORE, &no_core);
            one.run();
            std::puts("ok");
            std::fflush(stdout);
            std::_Exit(0);
        }
        int status = 0;
        if (child < 0 || ::waitpid(child, &status, 0) != child) return 2;
        if (WIFSIGNALED(status))
            std::printf("%s\n", WTERMSIG(status) == SIGALRM   ? "never ends"
                                : WTERMSIG(status) == SIGABRT ? "destroyed twice"
                                                              : "crash");
    }
    return 0;
}

}  // namespace mini
