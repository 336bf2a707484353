//! The functions of <math.h> that Zig's compiler-rt leaves out, from Zig's standard library (translated from musl).
const std = @import("std");
const math = std.math;
pub const panic = std.debug.no_panic;

fn one(comptime name: []const u8, comptime f: anytype) void {
    const S = struct {
        fn single(x: f32) callconv(.c) f32 {
            return f(x);
        }
        fn double(x: f64) callconv(.c) f64 {
            return f(x);
        }
    };
    @export(&S.single, .{ .name = name ++ "f", .linkage = .weak });
    @export(&S.double, .{ .name = name, .linkage = .weak });
}

fn two(comptime name: []const u8, comptime f: anytype) void {
    const S = struct {
        fn single(x: f32, y: f32) callconv(.c) f32 {
            return f(f32, x, y);
        }
        fn double(x: f64, y: f64) callconv(.c) f64 {
            return f(f64, x, y);
        }
    };
    @export(&S.single, .{ .name = name ++ "f", .linkage = .weak });
    @export(&S.double, .{ .name = name, .linkage = .weak });
}

fn powOf(comptime T: type, x: T, y: T) T {
    return math.pow(T, x, y);
}
fn atan2Of(comptime T: type, y: T, x: T) T {
    return math.atan2(y, x);
}
fn hypotOf(comptime T: type, x: T, y: T) T {
    return math.hypot(x, y);
}
fn copysignOf(comptime T: type, x: T, y: T) T {
    return math.copysign(x, y);
}

/// Ties to even, the rounding mode that a microcontroller boots in.
fn rint(x: anytype) @TypeOf(x) {
    const T = @TypeOf(x);
    const big: T = if (T == f32) 0x1p23 else 0x1p52;
    if (!(@abs(x) < big)) return x;
    var sum: T = math.copysign(big, x);
    std.mem.doNotOptimizeAway(&sum);
    const moved = x + sum;
    return math.copysign(moved - sum, x);
}

fn lrintf(x: f32) callconv(.c) i32 {
    return @intFromFloat(rint(x));
}
fn lroundf(x: f32) callconv(.c) i32 {
    return @intFromFloat(@round(x));
}
fn ldexpf(x: f32, n: i32) callconv(.c) f32 {
    return math.ldexp(x, n);
}
fn ldexp(x: f64, n: i32) callconv(.c) f64 {
    return math.ldexp(x, n);
}

comptime {
    one("tanh", math.tanh);
    one("sinh", math.sinh);
    one("cosh", math.cosh);
    one("expm1", math.expm1);
    one("log1p", math.log1p);
    one("atan", math.atan);
    one("asin", math.asin);
    one("acos", math.acos);
    one("cbrt", math.cbrt);
    one("rint", rint);
    one("nearbyint", rint);
    two("pow", powOf);
    two("atan2", atan2Of);
    two("hypot", hypotOf);
    two("copysign", copysignOf);
    @export(&lrintf, .{ .name = "lrintf", .linkage = .weak });
    @export(&lroundf, .{ .name = "lroundf", .linkage = .weak });
    @export(&ldexpf, .{ .name = "ldexpf", .linkage = .weak });
    @export(&ldexp, .{ .name = "ldexp", .linkage = .weak });
}
