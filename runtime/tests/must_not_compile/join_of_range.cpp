// expect-error: static assertion failed
// expect-error: eddy: this is a range of futures: pass it to join_all(), scope_all() or select_all()
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/task/task.hpp>

int main() {
    std::vector<eddy::task<int>> work;
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::join_all(std::move(work)));
#else
    static_cast<void>(eddy::join(std::move(work)));
#endif
}
