using System.Text.RegularExpressions;
using RlHarness.Tests;

namespace RlHarness.Core.Tests;

/// <summary>Each test says of which kind it is, in the words of tests/README.md, so that a filter finds it.</summary>
[Trait("kind", "contract")]
public sealed partial class TestKindTests
{
    private static readonly string[] Kinds = ["arithmetic", "contract", "end to end", "gpu", "slow"];

    private static readonly (string Path, string Text)[] Files =
    [
        .. Directory
            .EnumerateFiles(Repository.At("tests"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Select(f => (Path.GetRelativePath(Repository.Root, f), File.ReadAllText(f)))
            .AtLeastOne(),
    ];

    [Fact]
    public void Every_file_with_tests_names_a_kind_that_there_is()
    {
        Assert.All(Files.Where(f => Test().IsMatch(f.Text)).AtLeastOne(), f => Assert.True(Kind().IsMatch(f.Text), $"{f.Path} has tests and no kind"));
        Assert.All(Files.SelectMany(f => Kind().Matches(f.Text).Select(m => (f.Path, m.Groups[1].Value))), f =>
            Assert.True(Kinds.Contains(f.Value), $"{f.Path}: \"{f.Value}\" is none of {string.Join(", ", Kinds)}")
        );
    }

    [Fact]
    public void Every_test_project_s_namespaces_begin_with_its_own_name() =>
        Assert.All(Files.Where(f => !f.Path.Contains("Shared", StringComparison.Ordinal)), f =>
            Assert.Contains($"namespace {f.Path.Split(Path.DirectorySeparatorChar)[1]}", f.Text, StringComparison.Ordinal)
        );

    [Fact]
    public void The_page_on_tests_explains_every_kind() =>
        Assert.All(Kinds, kind => Assert.Contains($"| `{kind}` |", File.ReadAllText(Repository.At("tests", "README.md")), StringComparison.Ordinal));

    [GeneratedRegex(@"^\s*\[(Fact|Theory)\b", RegexOptions.Multiline)]
    private static partial Regex Test();

    [GeneratedRegex("""^\s*\[Trait\("kind", "([^"]*)"\)\]""", RegexOptions.Multiline)]
    private static partial Regex Kind();
}
