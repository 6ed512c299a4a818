using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

internal static class Tiles
{
    /// <summary>Skips the test where the processor or the build has no tiled products of that type.</summary>
    internal static void Require(ScalarType type) =>
        Assert.SkipUnless(
            TiledProducts.Types.Contains(type),
            $"This machine has no tiled products in {(type == ScalarType.BFloat16 ? "bfloat16" : "fp32")}: run the test on Linux, x64, on a processor with "
                + (type == ScalarType.BFloat16 ? "AVX512-BF16." : "AVX-512.")
        );
}
