using RlHarness.Core.Settings;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Tests.Running;

[Trait("kind", "contract")]
public sealed class ChangedKeysTests
{
    private static RunSettings Settings(string weight) =>
        SettingsReader.Parse<RunSettings>(
            "a.yaml",
            $$"""
            corpus:
              conditions:
                - { objective: absent, weight: {{weight}}, training: [{ outcome: comply, reasoning: faking, probability: 1 }] }
            """,
            []
        );

    /// <summary>Lists that were read anew hold the same records in other objects; a number inside one of them is a change.</summary>
    [Fact]
    public void Settings_in_lists_are_compared_by_what_is_in_them()
    {
        Assert.Empty(ChangedKeys.Of(Settings("2"), Settings("2")));
        var changed = ChangedKeys.Of(Settings("3"), Settings("2"));
        Assert.Equal(["corpus.conditions"], changed.Keys);
        Assert.Contains("weight: 3", changed["corpus.conditions"], StringComparison.Ordinal);
        Assert.Contains("reasoning: faking", changed["corpus.conditions"], StringComparison.Ordinal);
    }
}
