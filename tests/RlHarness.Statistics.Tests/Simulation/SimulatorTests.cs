using RlHarness.Core.Randomness;
using RlHarness.Statistics.Simulation;
using RlHarness.Statistics.Studies;

namespace RlHarness.Statistics.Tests.Simulation;

[Trait("kind", "arithmetic")]
public sealed class SimulatorTests
{
    private static SyntheticStudy Study(string name) => StudyCatalogue.All().Single(s => s.Name == name);

    [Fact]
    public void The_same_seed_gives_the_same_rows_on_one_core_and_on_two()
    {
        var study = Study("gap/bootstrap/100/4");
        Assert.Equal(
            new Simulator(new Seeds(3), 40, cores: 1).Run(study).Select(r => r.Found),
            new Simulator(new Seeds(3), 40, cores: 2).Run(study).Select(r => r.Found)
        );
        Assert.NotEqual(new Simulator(new Seeds(3), 40).Run(study).Select(r => r.Found), new Simulator(new Seeds(4), 40).Run(study).Select(r => r.Found));
    }

    [Fact]
    public void An_interval_that_is_too_short_is_called_outside_and_one_of_the_right_width_holds()
    {
        // A standard normal is within 1.645 of 0 in 90 % of draws, within 1.960 in 95 %, within 3 in 99.7 %.
        var study = new SyntheticStudy("known", "normal", [Measure("1.645"), Measure("1.960"), Measure("3")], random =>
        {
            var x = Math.Abs(random.NextGaussian());
            return [x < 1.645 ? 1 : 0, x < 1.960 ? 1 : 0, x < 3 ? 1 : 0];
        });
        var rows = new Simulator(new Seeds(1), 10_000).Run(study);
        Assert.Equal([SimulationVerdict.Outside, SimulationVerdict.Holds, SimulationVerdict.Conservative], rows.Select(r => r.Verdict));
        Assert.InRange(rows[1].Error, 0.0020, 0.0024); // √(0.95 · 0.05 / 10,000) = 0.0022
        Assert.True(SimulationPage.IsUnexplained(rows[0]));
        Assert.Contains("**outside**", SimulationPage.Markdown(rows, 10_000, 1), StringComparison.Ordinal);

        static Measure Measure(string what) => new(SimulationKind.Coverage, what, 0.95);
    }

    [Theory]
    [InlineData("rate/200/0.119")]
    [InlineData("rate/200/0.02")]
    [InlineData("gap/null/200")]
    public void Simulation_agrees_with_enumeration(string name)
    {
        var rows = new Simulator(new Seeds(2), 4_000).Run(Study(name));
        Assert.All(rows.Where(r => r.Measure.Computed is not null).AtLeastOne(), r =>
            Assert.True(r.AgreesWithComputed, $"{r.Measure.What}: {r.Found}, computed {r.Measure.Computed}")
        );
    }

    [Fact]
    public void A_corrected_rate_is_within_one_point_of_the_truth_and_the_raw_rate_is_not()
    {
        // Truth 12 %; a detector of sensitivity 70 % and specificity 90 % calls 0.12 · 0.7 + 0.88 · 0.1 = 17.2 % positive.
        var rows = new Simulator(new Seeds(5), 4_000).Run(Study("prevalence/bias"));
        Assert.Equal(0.172, rows[0].Found, 0.005);
        Assert.InRange(rows[1].Found, 0.115, 0.125);
        Assert.InRange(rows[2].Found, 0.11, 0.13);
    }

    [Fact]
    public void A_sample_without_an_error_still_leaves_room_for_errors()
    {
        // PPI's normal interval would have the variance of p̃ alone: 0.1 ± 1.96 √(0.09/150).
        var rate = PredictionPoweredRate.Of(falseNegatives: 0, falsePositives: 0, labelled: 60, predicted: 15, calls: 150);
        Assert.Equal(0.1, rate.Unclipped, 1e-12);
        Assert.True(rate.Interval.Low < 0.1 - 0.048 && rate.Interval.High > 0.1 + 0.048);
        // Tango's limits of 0 of n are z²/(n + z²) to both sides: 3.8415/63.8415 = 0.06017; Wilson's of 15 in 150: 0.06158 and 0.15830.
        Assert.Equal(0.1 - Math.Sqrt(Math.Pow(0.1 - 0.06158, 2) + Math.Pow(0.06017, 2)), rate.Interval.Low, 2e-4);
        Assert.Equal(0.1 + Math.Sqrt(Math.Pow(0.15830 - 0.1, 2) + Math.Pow(0.06017, 2)), rate.Interval.High, 2e-4);
    }

    [Fact]
    public void The_page_in_docs_has_every_measure_and_nothing_outside_without_a_reason()
    {
        var page = File.ReadAllText(Repository.At("docs", "statistics.md"));
        foreach (var study in StudyCatalogue.All())
            foreach (var measure in study.Measures)
                Assert.Contains($"| {measure.What} | {study.Design} |", page, StringComparison.Ordinal);
        Assert.Contains("(0 without a reason); 0 of", page, StringComparison.Ordinal);
        Assert.Contains("10,000 experiments for each line", page, StringComparison.Ordinal);
    }
}
