// expect-error: static assertion failed
// expect-error: eddy: this takes ownership of its range of futures: write std::move(futures)
#include <eddy/future/join_all.hpp>
#include <eddy/task/task.hpp>

#include <utility>
#include <vector>

int main() {
    std::vector<eddy::task<int>> work;
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::join_all(std::move(work)));
#else
    static_cast<void>(eddy::join_all(work));
#endif
}
