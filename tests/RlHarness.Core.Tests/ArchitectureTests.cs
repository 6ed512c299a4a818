using System.Xml.Linq;
using RlHarness.Tests;

namespace RlHarness.Core.Tests;

/// <summary>Holds the arrows of docs/architecture.md, as the project files draw them.</summary>
[Trait("kind", "contract")]
public class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> Arrows = new(StringComparer.Ordinal)
    {
        ["Core"] = [],
        ["Experiment"] = ["Core"],
        ["Models"] = ["Core"],
        ["Training"] = ["Core", "Models"],
        ["Tracking"] = ["Core", "Experiment"],
        ["Recipes"] = ["Core", "Experiment", "Models", "Tracking", "Training"],
        ["Cli"] = ["Recipes"],
    };

    public static TheoryData<string> Rooms => [.. Arrows.Keys];

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_refers_only_to_the_rooms_that_the_picture_lets_it(string room) =>
        Assert.Equal(
            Arrows[room],
            References(room, "ProjectReference")
                .Select(p => Path.GetFileNameWithoutExtension(p.Replace('\\', '/'))["RlHarness.".Length..])
                .Order(StringComparer.Ordinal)
        );

    [Fact]
    public void Every_project_below_src_is_in_the_picture() =>
        Assert.Equal(
            Arrows.Keys.Order(StringComparer.Ordinal),
            Directory.GetDirectories(Repository.At("src")).Select(d => Path.GetFileName(d)["RlHarness.".Length..]).Order(StringComparer.Ordinal)
        );

    [Theory]
    [InlineData("Core")]
    [InlineData("Experiment")]
    [InlineData("Tracking")]
    public void A_room_without_tensors_does_not_refer_to_TorchSharp(string room)
    {
        Assert.DoesNotContain(References(room, "PackageReference"), p => p.Contains("torch", StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain(Sources(room), f => File.ReadAllText(f).Contains("using TorchSharp", StringComparison.Ordinal));
    }

    [Fact]
    public void The_command_line_holds_no_algorithm() =>
        Assert.DoesNotContain(Sources("Cli"), f => File.ReadAllText(f).Contains(".backward(", StringComparison.Ordinal));

    private static IEnumerable<string> References(string room, string kind) =>
        XDocument
            .Load(Repository.At("src", $"RlHarness.{room}", $"RlHarness.{room}.csproj"))
            .Descendants(kind)
            .Select(e => (string)e.Attribute("Include")!);

    private static IEnumerable<string> Sources(string room) =>
        Directory
            .EnumerateFiles(Repository.At("src", $"RlHarness.{room}"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));
}
