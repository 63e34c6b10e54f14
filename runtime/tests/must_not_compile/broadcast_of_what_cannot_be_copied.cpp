// expect-error: static assertion failed
// expect-error: eddy: a broadcast copies its values: send a std::shared_ptr to a value that cannot be copied
#include <memory>

#include <eddy/sync/broadcast.hpp>

int main() {
#ifdef EDDY_CONTROL
    using message = std::shared_ptr<int>;
#else
    using message = std::unique_ptr<int>;
#endif
    auto ends = eddy::sync::broadcast<message>::channel(4);
}
