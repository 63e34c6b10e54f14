// A mapped guard is of a part of the value that is locked: a function that returns a copy would leave the lock with nothing to guard.
//
// expect-error: static assertion failed
// expect-error: eddy: map takes a pointer to a member, or a function that returns a reference into the value
#include <string>
#include <utility>

#include <eddy/sync/mutex.hpp>

int main() {
    eddy::sync::mutex<std::string> text("text");
    auto guard = text.blocking_lock();
#ifdef EDDY_CONTROL
    *std::move(guard).map([](std::string& all) -> char& { return all[0]; }) = 'T';
#else
    *std::move(guard).map([](std::string& all) { return all[0]; }) = 'T';
#endif
}
