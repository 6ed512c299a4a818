#if TORCH
using System.Runtime.CompilerServices;

namespace RlHarness.Tests;

internal static class NativeStart
{
    // Tests may touch TorchSharp before anything of RlHarness.Models, which is what makes it load.
    [ModuleInitializer]
    internal static void Load() => RlHarness.Models.Native.NativeRuntime.EnsureLoaded();
}
#endif
