// expect-error: eddy: the _owned functions are static, and take the std::shared_ptr
// only-error
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/rwlock.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<int> work(std::shared_ptr<eddy::sync::mutex<int>> number) {
#ifdef EDDY_CONTROL
    auto guard = co_await eddy::sync::mutex<int>::lock_owned(number);
#else
    auto guard = co_await number->lock_owned();
#endif
    co_return *guard;
}

eddy::task<int> read(std::shared_ptr<eddy::sync::rwlock<int>> number) {
    auto guard = co_await eddy::sync::rwlock<int>::read_owned(number);
    co_return *guard;
}
