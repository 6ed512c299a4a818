using RlHarness.Models.Kernels;

namespace RlHarness.Models.Tests.Kernels;

[Trait("kind", "arithmetic")]
public sealed class ElementTests
{
    [Fact]
    public void The_exponential_of_bfloat16_is_exact_far_below_its_last_bit()
    {
        for (var at = -87f; at < 88; at += 0.0371f)
        {
            var found = BFloat16Element.Exp(System.Runtime.Intrinsics.Vector512.Create(at))[3];
            Assert.Equal(1, found / Math.Exp(at), 2e-6);
        }

        float Of(float x) => BFloat16Element.Exp(System.Runtime.Intrinsics.Vector512.Create(x))[0];
        Assert.Equal(0, Of(float.NegativeInfinity));
        Assert.Equal(0, Of(-88));
        Assert.Equal(1, Of(0));
        Assert.Equal(Math.Exp(88), Of(float.PositiveInfinity), Math.Exp(88) * 2e-6);
        Assert.True(float.IsNaN(Of(float.NaN)));
    }
}
