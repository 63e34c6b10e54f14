// SPDX-License-Identifier: MIT
// The names of types, which the library takes from the texts of the compiler. In programs they are constants.
// runs: asan, plain
#include <eddy/detail/wait_shape.hpp>
#include <eddy/future/detail/closure_coroutine.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using eddy::detail::is_name_of_closure;

std::string shortened(std::string_view name) {
    std::string into(name.size(), ' ');
    into.resize(eddy::detail::shorten_name(name, into.data()));
    return into;
}

TEST(TypeNames, ShortNameHasNoArguments) {
    EXPECT_EQ(shortened("eddy::read_future<eddy::net::tcp_stream>; std::string_view = S]"), "eddy::read_future");
    EXPECT_EQ(shortened("(anonymous namespace)::{anonymous}::work]"), "work");
    EXPECT_EQ(shortened("serve(int, char**)::session]"), "serve::session");
}

TEST(TypeNames, ShortNameOfLambdaIsThatOfItsCompiler) {
    EXPECT_EQ(shortened("serve(int)::<lambda(auto:1)>; std::string_view = S]"), "serve::<lambda>");
    EXPECT_EQ(shortened("(lambda at a/main.cpp:12:34)]"), "lambda at a/main.cpp:12:34");
}

TEST(TypeNames, LambdaIsRecognizedByItsName) {
    EXPECT_EQ(eddy::detail::type_in_text<int>(), "int");
    EXPECT_TRUE(is_name_of_closure("serve()::<lambda(int)>"));
    EXPECT_TRUE(is_name_of_closure("(lambda at main.cpp:12:34)"));
    EXPECT_FALSE(is_name_of_closure("wrapped<serve()::<lambda(int)> >"));
}

}  // namespace
