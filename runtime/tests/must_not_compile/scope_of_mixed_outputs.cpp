// Either all children of a scope return a std::expected, or none does.
//
// expect-error: static assertion failed
// expect-error: eddy: some children of this scope return a std::expected, and some do not: return it from all
#include <eddy/future/ready.hpp>
#include <eddy/task/scope.hpp>

int main() {
#ifdef EDDY_CONTROL
    static_cast<void>(eddy::scope(eddy::ready(eddy::result<int>(1)), eddy::ready(eddy::result<int>(2))));
#else
    static_cast<void>(eddy::scope(eddy::ready(eddy::result<int>(1)), eddy::ready(2)));
#endif
}
