using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using RlHarness.Models.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>The witness is the product in double precision of the same rounded operands.</summary>
[Trait("kind", "arithmetic")]
public sealed class LowPrecisionProductTests
{
    /// <summary>A result that is rounded to bfloat16 is off by at most half of its last bit, and sums of up to 5,000 products in fp32 by far less.</summary>
    private const double HalfLastBit = 1 / 256.0;

    [Fact]
    public void The_tile_is_there_where_the_processor_multiplies_in_bfloat16()
    {
        var promised = OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Avx512BW.IsSupported && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
        Assert.Equal(promised, Brgemm.Available);
    }

    [Theory]
    [InlineData(64, 48, 64)]
    [InlineData(65, 50, 34)]
    [InlineData(201, 600, 130)]
    [InlineData(127, 46, 5000)]
    [InlineData(255, 6002, 34)]
    [InlineData(1300, 96, 160)]
    public void Products_equal_the_double_ones_whatever_is_left_over_at_the_edges(int rows, int outputs, int inputs)
    {
        if (!Brgemm.Available) return;
        using var scope = NewDisposeScope();
        manual_seed(rows);
        Tensor Low(params long[] shape) => randn(shape).to(ScalarType.BFloat16);
        var (x, weight, gradient) = (Low(rows, inputs), Low(outputs, inputs), Low(rows, outputs));
        Assert.True(LowPrecisionProducts.Fits(x, weight) && LowPrecisionProducts.Fits(gradient, weight));
        Tensor Wide(Tensor t) => t.to(ScalarType.Float64);
        Near(LowPrecisionProducts.Linear(x, weight), mm(Wide(x), Wide(weight).t()), HalfLastBit);
        Near(LowPrecisionProducts.Back(gradient, weight), mm(Wide(gradient), Wide(weight)), HalfLastBit);

        // Gradients of weights are never rounded to bfloat16: they have fp32's error.
        var before = randn(outputs, inputs);
        var total = before.clone();
        LowPrecisionProducts.AddOuter(total, gradient, x);
        Near(total, Wide(before) + mm(Wide(gradient).t(), Wide(x)), 1e-4);
    }

    [Fact]
    public void A_result_can_be_written_where_there_is_a_place_for_it()
    {
        if (!Brgemm.Available) return;
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (x, weight, place) = (randn(70, 64).to(ScalarType.BFloat16), randn(96, 64).to(ScalarType.BFloat16), empty(70, 96, dtype: ScalarType.BFloat16));
        Assert.Same(place, LowPrecisionProducts.Linear(x, weight, place));
        Assert.True(Same(place, LowPrecisionProducts.Linear(x, weight)));
    }

    [Fact]
    public void Other_types_odd_sizes_few_rows_and_wanted_gradients_are_left_to_libtorch()
    {
        using var scope = NewDisposeScope();
        Tensor Low(long rows, long columns, bool grad = false) => ones(rows, columns, dtype: ScalarType.BFloat16, requires_grad: grad);
        Assert.False(LowPrecisionProducts.Fits(ones(64, 64), ones(64, 64)));
        Assert.False(LowPrecisionProducts.Fits(Low(64, 63), Low(64, 63)));
        Assert.False(LowPrecisionProducts.Fits(Low(63, 64), Low(64, 64)));
        Assert.False(LowPrecisionProducts.Fits(Low(64, 64), Low(64, 64, grad: true)));
        Assert.False(LowPrecisionProducts.Fits(Low(64, 64).t(), Low(64, 128).t().narrow(0, 0, 64)));
    }

    [Fact]
    public void The_number_of_threads_does_not_change_a_bit()
    {
        if (!Brgemm.Available) return;
        using var scope = NewDisposeScope();
        manual_seed(4);
        var (x, weight, gradient) = (randn(333, 160).to(ScalarType.BFloat16), randn(608, 160).to(ScalarType.BFloat16), randn(333, 608).to(ScalarType.BFloat16));
        (Tensor, Tensor, Tensor) All()
        {
            var total = zeros(608, 160);
            LowPrecisionProducts.AddOuter(total, gradient, x);
            return (LowPrecisionProducts.Linear(x, weight), LowPrecisionProducts.Back(gradient, weight), total);
        }

        var threads = get_num_threads();
        try
        {
            set_num_threads(1);
            var one = All();
            set_num_threads(3);
            var three = All();
            Assert.True(Same(one.Item1, three.Item1) && Same(one.Item2, three.Item2) && Same(one.Item3, three.Item3));
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    private static bool Same(Tensor a, Tensor b) => a.eq(b).all().item<bool>();

    private static void Near(Tensor found, Tensor expected, double tolerance)
    {
        // Relative to the number itself, or to a hundredth of what numbers of this product usually are, where terms cancel.
        var scale = expected.abs().clamp_min(0.01 * expected.std().item<double>());
        var worst = ((found.to(ScalarType.Float64) - expected).abs() / scale).max().item<double>();
        Assert.True(worst <= tolerance, $"relative error {worst:g3}, allowed {tolerance:g3}");
    }
}
