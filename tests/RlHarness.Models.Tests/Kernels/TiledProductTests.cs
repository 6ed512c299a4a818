using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>The witness is the product in double precision of the same rounded operands.</summary>
[Trait("kind", "arithmetic")]
public sealed class TiledProductTests
{
    /// <summary>
    /// A result that is rounded to bfloat16 is off by at most half of its last bit; sums of up to 5,000 products in fp32 by 1e-5 of what they usually
    /// are.
    /// </summary>
    private const double HalfLastBit = 1 / 256.0,
        SumsInFloat32 = 1e-3;

    [Fact]
    public void Tiles_are_there_where_the_processor_has_what_they_need()
    {
        var x64 = OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;
        Assert.Equal(x64 && Avx512F.IsSupported, TiledProducts.Types.Contains(ScalarType.Float32));
        Assert.Equal(x64 && Avx512BW.IsSupported && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0, TiledProducts.Types.Contains(ScalarType.BFloat16));
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, 64, 48, 64)]
    [InlineData(ScalarType.BFloat16, 65, 50, 34)]
    [InlineData(ScalarType.BFloat16, 201, 600, 130)]
    [InlineData(ScalarType.BFloat16, 127, 46, 5000)]
    [InlineData(ScalarType.BFloat16, 255, 6002, 34)]
    [InlineData(ScalarType.BFloat16, 1300, 96, 160)]
    [InlineData(ScalarType.Float32, 64, 96, 4000)]
    [InlineData(ScalarType.Float32, 65, 1001, 302)]
    [InlineData(ScalarType.Float32, 1300, 6000, 58)]
    public void Products_equal_the_double_ones_whatever_is_left_over_at_the_edges(ScalarType type, int rows, int outputs, int inputs)
    {
        Tiles.Require(type);
        using var scope = NewDisposeScope();
        manual_seed(rows);
        Tensor New(params long[] shape) => randn(shape).to(type);
        var (x, weight, gradient) = (New(rows, inputs), New(outputs, inputs), New(rows, outputs));
        Assert.True(TiledProducts.IsSupported(x, weight) && TiledProducts.IsSupportedOuter(gradient, x));
        Tensor Wide(Tensor t) => t.to(ScalarType.Float64);
        var tolerance = type == ScalarType.BFloat16 ? HalfLastBit : SumsInFloat32;
        Near(TiledProducts.Linear(x, weight), mm(Wide(x), Wide(weight).t()), tolerance);
        if (TiledProducts.IsSupported(gradient, weight))
            Near(TiledProducts.Back(gradient, weight), mm(Wide(gradient), Wide(weight)), tolerance);

        // Gradients of weights are never rounded to bfloat16: they have fp32's error.
        var before = randn(outputs, inputs);
        var total = before.clone();
        TiledProducts.AddOuter(total, gradient, x);
        Near(total, Wide(before) + mm(Wide(gradient).t(), Wide(x)), SumsInFloat32);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void A_packed_matrix_serves_any_number_of_rows(ScalarType type)
    {
        Tiles.Require(type);
        using var scope = NewDisposeScope();
        manual_seed(2);
        var weight = randn(701, 514).to(type);
        Assert.True(TiledProducts.CanPack(weight));
        using var packed = TiledProducts.Pack(weight);
        foreach (var rows in new[] { 1, 7, 32, 33, 300 })
        {
            var x = randn(rows, 514).to(type);
            Near(
                TiledProducts.Linear(x, packed),
                mm(x.to(ScalarType.Float64), weight.to(ScalarType.Float64).t()),
                type == ScalarType.BFloat16 ? HalfLastBit : SumsInFloat32
            );
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(130)]
    public void Sums_of_bfloat16_products_come_in_fp32_where_they_are_asked_for(int rows)
    {
        Tiles.Require(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        manual_seed(6);
        var (x, weight) = (randn(rows, 160).to(ScalarType.BFloat16), randn(1003, 160).to(ScalarType.BFloat16));
        using var packed = TiledProducts.Pack(weight);
        var expected = mm(x.to(ScalarType.Float64), weight.to(ScalarType.Float64).t());
        foreach (var found in new[] { TiledProducts.Summed(x, weight), TiledProducts.Summed(x, packed) })
        {
            Assert.Equal(ScalarType.Float32, found.dtype);
            Near(found, expected, SumsInFloat32);
        }
    }

    [Fact]
    public void A_result_can_be_written_where_there_is_a_place_for_it()
    {
        Tiles.Require(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (x, weight, place) = (randn(70, 64).to(ScalarType.BFloat16), randn(96, 64).to(ScalarType.BFloat16), empty(70, 96, dtype: ScalarType.BFloat16));
        Assert.Same(place, TiledProducts.Linear(x, weight, place));
        Assert.True(Same(place, TiledProducts.Linear(x, weight)));
    }

    [Fact]
    public void Small_matrices_odd_sizes_few_rows_and_wanted_gradients_are_left_to_libtorch()
    {
        using var scope = NewDisposeScope();
        Tensor Low(long rows, long columns, bool grad = false) => ones(rows, columns, dtype: ScalarType.BFloat16, requires_grad: grad);
        Assert.False(TiledProducts.IsSupported(ones(500, 128), ones(384, 128)));
        Assert.False(TiledProducts.IsSupportedOuter(ones(500, 384), ones(500, 128)));
        Assert.False(TiledProducts.IsSupported(ones(64, 1000, dtype: ScalarType.Float64), ones(1000, 1000, dtype: ScalarType.Float64)));
        Assert.False(TiledProducts.IsSupported(Low(64, 63), Low(64, 63)));
        Assert.False(TiledProducts.IsSupported(Low(63, 64), Low(64, 64)));
        Assert.False(TiledProducts.IsSupported(Low(64, 64), Low(64, 64, grad: true)));
        Assert.False(TiledProducts.IsSupported(Low(64, 64), Low(128, 64).t()));
        Assert.False(TiledProducts.CanPack(Low(64, 63)));
        using var guard = no_grad();
        Assert.Equal(Brgemm.HasBFloat16, TiledProducts.IsSupported(Low(64, 64), Low(64, 64, grad: true)));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Neither_the_number_of_threads_nor_packing_changes_a_bit(ScalarType type)
    {
        Tiles.Require(type);
        using var scope = NewDisposeScope();
        manual_seed(4);
        var (x, weight, gradient) = (randn(333, 560).to(type), randn(608, 560).to(type), randn(333, 608).to(type));
        using var packed = TiledProducts.Pack(weight);
        (Tensor, Tensor, Tensor, Tensor) All()
        {
            var total = zeros(608, 560);
            TiledProducts.AddOuter(total, gradient, x);
            return (TiledProducts.Linear(x, weight), TiledProducts.Back(gradient, weight), total, TiledProducts.Linear(x, packed));
        }

        var threads = get_num_threads();
        try
        {
            set_num_threads(1);
            var one = All();
            set_num_threads(3);
            var three = All();
            Assert.True(
                Same(one.Item1, three.Item1)
                    && Same(one.Item2, three.Item2)
                    && Same(one.Item3, three.Item3)
                    && Same(one.Item4, three.Item4)
                    && Same(one.Item1, one.Item4)
            );
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void Threads_multiply_side_by_side()
    {
        Tiles.Require(ScalarType.BFloat16);
        using var scope = NewDisposeScope();
        manual_seed(5);
        var (x, weight) = (randn(150, 600).to(ScalarType.BFloat16), randn(700, 600).to(ScalarType.BFloat16));
        using var packed = TiledProducts.Pack(weight);
        var expected = TiledProducts.Linear(x, packed);
        var different = 0;
        System.Threading.Tasks.Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            using var inner = NewDisposeScope();
            if (!Same(i % 2 == 0 ? TiledProducts.Linear(x, packed) : TiledProducts.Linear(x, weight), expected))
                Interlocked.Increment(ref different);
        });
        Assert.Equal(0, different);
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
