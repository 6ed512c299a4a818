using RlHarness.Core.Errors;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Store;

[Trait("kind", "contract")]
public sealed class ProbeCurvesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_probe_s_curves_are_read_as_they_were_written_and_drawn_by_layer()
    {
        Assert.Null(ProbeCurves.Read(_folder.Path));
        ProbeCurves.Curve Layer(int layer, double auroc) => new(layer, "all", new(auroc, auroc - 0.1, double.NaN, 40, 20), 10, 30, [0, 0, 1], [0, auroc, 1]);
        new ProbeCurves("rl/step_000040", 40, "grammar_oracle", [Layer(0, 0.6), Layer(1, 0.9)]).Write(_folder.Path);
        var read = ProbeCurves.Read(_folder.Path)!;
        Assert.Equal(("rl/step_000040", 40, "grammar_oracle", 2), (read.Model, read.Step, read.Labels, read.Curves.Count));
        Assert.Equal([0, 0.9, 1], read.Curves[1].TruePositiveRates);
        Assert.True(double.IsNaN(read.Curves[1].Auroc.High));
        var html = ProbeSection.Html(read);
        // The best layer has the colour and stands in the legend; the others are faint.
        Assert.Contains("<path class=\"curve one\" d=\"M56 380L56 90.2L434 58\"><title>layer 1: 0.900</title>", html, StringComparison.Ordinal);
        Assert.Contains("<path class=\"curve faint\"", html, StringComparison.Ordinal);
        Assert.Contains("AUROC by layer", html, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cut_file_is_named()
    {
        File.WriteAllText(_folder.At(ProbeCurves.File), "{");
        Assert.Contains("probe.json", Assert.Throws<HarnessException>(() => ProbeCurves.Read(_folder.Path)).Message, StringComparison.Ordinal);
    }
}
