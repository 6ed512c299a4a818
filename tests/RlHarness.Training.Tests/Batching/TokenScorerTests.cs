using RlHarness.Models.Decoders;
using RlHarness.Training.Batching;
using static TorchSharp.torch;

namespace RlHarness.Training.Tests.Batching;

/// <summary>The hand-written gradient of the head against autograd of the formula that it stands for.</summary>
[Trait("kind", "arithmetic")]
public sealed class TokenScorerTests
{
    private const double Temperature = 0.7;
    private const double EntropyCoefficient = 0.3;

    [Theory]
    [InlineData(false, true, 4)]
    [InlineData(true, true, 4)]
    [InlineData(true, true, 100)]
    [InlineData(false, false, 3)]
    public void Gradients_by_hidden_rows_and_by_head_are_those_of_autograd_of_the_plain_formula(bool tied, bool withEntropy, int chunkRows)
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(tied, requiresGrad: true);
        var (rows, old, weights) = (Tiny.Gaussian("rows", 11, Tiny.Hidden), Tiny.Gaussian("old", 11) * 0.1 - 3, Tiny.Gaussian("weights", 11));
        var targets = tensor(Enumerable.Range(0, 11).Select(i => (long)(i * 7 % Tiny.Vocabulary)).ToArray());
        Tensor Loss(Tensor logprobs, Tensor entropy, long start, long count)
        {
            var w = weights.narrow(0, start, count);
            var loss = ((logprobs - old.narrow(0, start, count)).exp() * w).sum();
            return withEntropy ? loss - EntropyCoefficient * (entropy.square() * w).sum() : loss;
        }

        var x = rows.clone().requires_grad_(true);
        var head = decoder.Parameters[decoder.HeadName].detach().clone().requires_grad_(true);
        var logp = nn.functional.log_softmax(nn.functional.linear(x, head) / Temperature, -1);
        var chosen = logp.gather(1, targets.unsqueeze(1)).squeeze(1);
        var plain = Loss(chosen, -(logp.exp() * logp).sum(1), 0, 11);
        plain.backward();

        var sum = 0.0;
        var calls = 0;
        var gradient = TokenScorer.Backward(
            decoder,
            rows,
            targets,
            Temperature,
            (l, h, start, count) =>
            {
                var part = Loss(l, h, start, count);
                sum += part.item<float>();
                calls++;
                return part;
            },
            chunkRows
        );
        Assert.Equal((11 + chunkRows - 1) / chunkRows, calls);
        Assert.Equal(plain.item<float>(), sum, 1e-4);
        Assert.True(Tiny.RelativeError(gradient, x.grad!) <= 1e-5, $"{Tiny.RelativeError(gradient, x.grad!):e2}");
        Assert.True(Tiny.RelativeError(decoder.Parameters.GradientOf(decoder.HeadName), head.grad!) <= 1e-5);
    }

    [Fact]
    public void The_head_adds_to_a_gradient_that_is_there()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        var (rows, targets) = (Tiny.Gaussian("rows", 5, Tiny.Hidden), tensor(new long[] { 1, 2, 3, 4, 5 }));
        Tensor Run() => TokenScorer.Backward(decoder, rows, targets, 1, (l, _, _, _) => -l.sum());
        Run();
        var once = decoder.Parameters.Gradient!.clone();
        Run();
        Assert.True(Tiny.Largest(once) > 0);
        Assert.True(Tiny.RelativeError(decoder.Parameters.Gradient!, 2 * once) <= 1e-6);
    }

    [Fact]
    public void Gradients_of_a_whole_pass_are_those_of_autograd_through_the_body()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        var sequences = Tiny.Sequences(5);
        using var batch = ScoredBatch.Pack(sequences, CPU);
        var logp = nn.functional.log_softmax(decoder.Logits(decoder.Forward(batch.Tokens).index_select(0, batch.Rows)) / Temperature, -1);
        (-logp.gather(1, batch.Targets.unsqueeze(1)).sum()).backward();
        var want = decoder.Parameters.Gradient!.clone();
        decoder.Parameters.ZeroGradients();
        DifferentiablePass.Run(decoder, batch, Temperature, (l, _, _, _) => -l.sum());
        Assert.True(Tiny.RelativeError(decoder.Parameters.Gradient!, want) <= 1e-5, $"{Tiny.RelativeError(decoder.Parameters.Gradient!, want):e2}");
    }

    [Fact]
    public void A_model_has_no_dropout_so_two_passes_are_equal()
    {
        using var scope = NewDisposeScope();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var batch = TokenBatch.Pack([.. Tiny.Sequences(4).Select(s => s.Ids)], CPU);
        var first = decoder.Logits(decoder.Forward(batch));
        using (no_grad())
            Assert.Equal(0, Tiny.Largest(first - decoder.Logits(decoder.Forward(batch))));
        Assert.Equal(0, Tiny.Largest(first - decoder.Logits(decoder.Forward(batch))));
    }
}
