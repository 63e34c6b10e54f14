// expect-error: static assertion failed
// expect-error: eddy: a coroutine's output is moved to its awaiter, and this type cannot be moved: return a
// only-error
#include <eddy/task/task.hpp>

#include <memory>

struct fixed {
    fixed() {}
    fixed(fixed&&) = delete;
};

#ifdef EDDY_CONTROL
eddy::task<std::unique_ptr<fixed>> make() { co_return std::make_unique<fixed>(); }
#else
eddy::task<fixed> make() { co_return fixed(); }
#endif

eddy::task<void> use() {
    auto borrowed = make();
    co_await borrowed;
    co_await make();
}
