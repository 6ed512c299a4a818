using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>The witness is libtorch's attention over the columns that each row may see, and its own cumulative sums.</summary>
[Trait("kind", "arithmetic")]
public sealed class CachedStepTests
{
    [Theory]
    [InlineData(1, 1, 16, 0)]
    [InlineData(4, 2, 32, 20)]
    [InlineData(4, 2, 32, 21)]
    [InlineData(9, 3, 64, 33)]
    [InlineData(10, 2, 64, 5)]
    [InlineData(8, 1, 128, 40)]
    public void One_new_token_attends_to_its_own_columns(int heads, int keyValueHeads, int headDim, int column)
    {
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            using var scope = NewDisposeScope();
            const int rows = 3;
            Tensor Draw(int seed, params long[] shape) => Gaussian(seed, shape).to(type);
            var (q, k, v) = (Draw(1, rows, heads * headDim), Draw(2, rows, keyValueHeads * headDim), Draw(3, rows, keyValueHeads * headDim));
            // Four places for three rows, which lie in another order and end at columns of their own.
            var (keys, values) = (Draw(4, rows + 1, column + 7, keyValueHeads * headDim), Draw(5, rows + 1, column + 7, keyValueHeads * headDim));
            long[] slots = [3, 0, 2],
                columns = [column, column + 5, column + 2],
                starts = [0, column / 2, column + 2];
            var found = CachedStep.Attend(q, k, v, keys, values, slots, columns, starts, new(heads, keyValueHeads, headDim));
            for (var row = 0; row < rows; row++)
            {
                Assert.True(keys[slots[row], columns[row]].equal(k[row]).all().item<bool>());
                Assert.True(values[slots[row], columns[row]].equal(v[row]).all().item<bool>());
            }

            for (var row = 0; row < rows; row++)
            {
                Tensor Columns(Tensor cache) =>
                    cache[slots[row]]
                        .narrow(0, starts[row], columns[row] + 1 - starts[row])
                        .to(ScalarType.Float32)
                        .view(-1, keyValueHeads, headDim)
                        .transpose(0, 1)
                        .repeat_interleave(heads / keyValueHeads, 0)
                        .unsqueeze(0); // [1, h, T, d]
                var one = q[row].to(ScalarType.Float32).view(1, heads, 1, headDim);
                var expected = nn.functional.scaled_dot_product_attention(one, Columns(keys), Columns(values)).view(-1);
                var error = (found[row].to(ScalarType.Float32) - expected).abs().max().item<float>();
                Assert.True(error <= (type == ScalarType.Float32 ? 1e-5 : 3e-2), $"row {row}: {error:e2}");
            }
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(256)]
    [InlineData(1000)]
    public void A_uniform_number_draws_the_token_where_the_cumulative_distribution_passes_it(int vocabulary)
    {
        using var scope = NewDisposeScope();
        const double temperature = 0.8;
        var logits = Gaussian(1, 40, vocabulary) * 3;
        var logp = nn.functional.log_softmax(logits.to(ScalarType.Float64) / temperature, -1);
        var cumulative = logp.exp().cumsum(1);
        var uniforms = Enumerable.Range(0, 40).Select(i => (i + 0.5) / 40).ToArray();
        var (ids, logprobs) = TokenDraw.Draw(logits, temperature, uniforms);
        for (var row = 0; row < 40; row++)
        {
            var low = ids[row] == 0 ? 0 : cumulative[row, ids[row] - 1].item<double>();
            Assert.InRange(uniforms[row], low - 1e-6, cumulative[row, ids[row]].item<double>() + 1e-6);
            Assert.Equal(logp[row, ids[row]].item<double>(), logprobs[row], 1e-5);
        }
    }

    [Fact]
    public void A_token_without_probability_is_never_drawn()
    {
        using var scope = NewDisposeScope();
        var logits = full(2, 700, float.NegativeInfinity);
        logits[0, 300] = 0f;
        logits[1, 699] = 1f;
        logits[1, 2] = 1f;
        Assert.Equal([300L, 699L], TokenDraw.Draw(logits, 1, [0.999999, 0.999999]).Ids);
        Assert.Equal([300L, 2L], TokenDraw.Draw(logits, 1, [0, 0]).Ids);
    }

    private static Tensor Gaussian(int seed, params long[] shape)
    {
        var random = new Core.Randomness.Seeds((ulong)seed).For("kernels");
        return tensor(Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => (float)random.NextGaussian()).ToArray(), shape);
    }
}
