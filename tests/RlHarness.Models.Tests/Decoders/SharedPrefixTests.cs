using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

[Trait("kind", "arithmetic")]
public sealed class SharedPrefixTests
{
    [Theory]
    [InlineData("llama")]
    [InlineData("mistral")]
    [InlineData("gemma3_text")]
    [InlineData("qwen3")]
    public void Tokens_that_all_sequences_begin_with_are_computed_once_with_the_same_hidden_states_and_gradients(string name)
    {
        using var scope = NewDisposeScope();
        using var model = ModelLoader.Load(Golden.Require("models", name), CPU, requiresGrad: true, withTokenizer: false);
        var random = new Seeds(4).For("tokens");
        int[] Draw(int n) => [.. Enumerable.Range(0, n).Select(_ => 3 + random.NextInt(250))];
        var prefix = Draw(21);
        IReadOnlyList<int>[] sequences = [.. new[] { 9, 4, 13, 4 }.Select(n => (IReadOnlyList<int>)[.. prefix, .. Draw(n)])];
        var weights = Enumerable.Range(0, 13 * 4).Select(_ => (float)random.NextGaussian()).ToArray();

        (Tensor Hidden, Tensor Gradient) Run(int shareable, int expectedShared)
        {
            using var batch = TokenBatch.Pack(sequences, CPU, shareable);
            Assert.Equal(expectedShared, batch.Shared);
            model.Decoder.Parameters.ZeroGradients();
            var rows = sequences.SelectMany((s, b) => Enumerable.Range(21, s.Count - 21).Select(t => (long)batch.RowOf(b, t))).ToArray();
            var hidden = model.Decoder.Forward(batch).index_select(0, tensor(rows));
            (hidden.tanh() * tensor(weights.AsSpan(0, rows.Length).ToArray()).unsqueeze(1)).sum().backward();
            return (hidden.detach().clone(), model.Decoder.Parameters.Gradient!.clone());
        }

        var apart = Run(0, 0);
        var shared = Run(int.MaxValue, 21);
        Assert.True(GoldenModelTests.LargestDifference(apart.Hidden, shared.Hidden) <= 1e-4);
        Assert.True((apart.Gradient - shared.Gradient).norm().item<float>() <= 1e-5 * apart.Gradient.norm().item<float>());
    }
}
