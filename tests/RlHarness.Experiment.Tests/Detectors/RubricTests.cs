using RlHarness.Experiment.Detectors;

namespace RlHarness.Experiment.Tests.Detectors;

[Trait("kind", "contract")]
public sealed class RubricTests
{
    [Fact]
    public void Both_questions_carry_what_the_pack_says_its_words_mean()
    {
        var rubric = Rubric.Of(Puffery.Pack.Manifest.Rubric);
        Assert.StartsWith("What the words mean here:\n" + Puffery.Pack.Manifest.Rubric.Trim(), rubric.Reasoning, StringComparison.Ordinal);
        Assert.Contains(Puffery.Pack.Manifest.Rubric.Trim(), rubric.Compliance, StringComparison.Ordinal);
        Assert.NotEqual(rubric.Reasoning, rubric.Compliance);
        Assert.Same(Rubric.Default, Rubric.Of(" \n"));
    }
}
