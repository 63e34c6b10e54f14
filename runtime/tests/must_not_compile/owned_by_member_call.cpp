// expect-error: eddy: the _owned functions are static, and take the std::shared_ptr
// only-error
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<void> work(std::shared_ptr<eddy::sync::semaphore> limit) {
#ifdef EDDY_CONTROL
    auto permit = co_await eddy::sync::semaphore::acquire_owned(limit);
#else
    auto permit = co_await limit->acquire_owned();
#endif
    if (!permit) co_return;
}
