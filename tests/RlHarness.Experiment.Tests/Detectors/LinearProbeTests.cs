using RlHarness.Core.Randomness;
using RlHarness.Experiment.Detectors;
using RlHarness.Statistics;

namespace RlHarness.Experiment.Tests.Detectors;

[Trait("kind", "arithmetic")]
public sealed class LinearProbeTests
{
    [Fact]
    public void The_gradient_is_zero_where_it_ends()
    {
        // One feature, −1 and 1 after standardisation, 1 of 4 positive at −1 and 3 of 4 at 1: w solves mean(x (σ(wx) − y)) + λw = 0, that is σ(w) − ¾ + λw = 0.
        float[][] rows = [.. Enumerable.Range(0, 8).Select(i => new[] { i < 4 ? 10f : 14f })];
        int[] labels = [1, 0, 0, 0, 1, 1, 1, 0];
        foreach (var l2 in new[] { 0.01, 0.1, 1 })
        {
            var probe = LinearProbe.Train(rows, labels, l2, iterations: 2000);
            var w = (probe.Score([14f]) - probe.Score([10f])) / 2;
            Assert.Equal(0, (1 / (1 + Math.Exp(-w))) - 0.75 + (l2 * w), 1e-9);
            Assert.Equal(0, probe.Score([12f]), 1e-9);
        }
    }

    [Fact]
    public void Features_without_information_give_no_held_out_auroc_and_planted_ones_the_right_one()
    {
        var random = new Seeds(2).For("features");
        int[] labels = [.. Enumerable.Range(0, 400).Select(i => i % 4 == 0 ? 1 : 0)];
        string[] queries = [.. Enumerable.Range(0, 400).Select(i => $"q{i / 2}")];
        float[][] Features(double shift) =>
            [.. labels.Select(l => Enumerable.Range(0, 40).Select(j => (float)(random.NextGaussian() + (j == 0 ? shift * l : 0))).ToArray())];
        double Auroc(double shift) =>
            RocCurve.Of(labels, LinearProbe.CrossValidated(Features(shift), labels, queries, 0.3, 5, new Seeds(1).For("folds"))).Auroc;
        Assert.InRange(Auroc(0), 0.38, 0.62);
        // Two normals 2 apart: the best possible is Φ(2/√2) = 0.921; forty features and 320 rows cost a little.
        Assert.InRange(Auroc(2), 0.85, 0.94);
    }
}
