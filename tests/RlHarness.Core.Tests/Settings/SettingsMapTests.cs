using RlHarness.Core.Settings;

namespace RlHarness.Core.Tests.Settings;

[Trait("kind", "contract")]
public sealed class SettingsMapTests
{
    private sealed record Lists
    {
        public IReadOnlyDictionary<string, IReadOnlyList<string>> Named { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

        public IReadOnlyList<IReadOnlyList<int>> Groups { get; init; } = [];
    }

    [Fact]
    public void Names_of_the_readers_own_choice_and_lists_of_lists_are_read()
    {
        var (lists, problems) = SettingsReader.Examine<Lists>("a.yaml", "named: { one: [a, b], two: [] }\ngroups: [[1, 2], [3]]\n");
        Assert.Empty(problems);
        Assert.Equal(["a", "b"], lists.Named["one"]);
        Assert.Empty(lists.Named["two"]);
        Assert.Equal(
            [
                [1, 2],
                [3],
            ],
            lists.Groups
        );
    }

    [Fact]
    public void Problems_within_them_have_their_key_and_line_and_are_handed_over_together()
    {
        var (_, problems) = SettingsReader.Examine<Lists>("a.yaml", "named:\n  one: a\ngroups: [[x]]\nother: 1\n");
        Assert.Equal(["named.one", "groups[0][0]", "other"], problems.Select(p => p.Key));
        Assert.Equal("a.yaml:2", problems[0].Where);
    }
}
