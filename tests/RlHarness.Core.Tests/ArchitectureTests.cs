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
        ["Formats"] = ["Core"],
        ["Statistics"] = ["Core"],
        ["Experiment"] = ["Core", "Statistics"],
        ["Models"] = ["Core", "Formats"],
        ["Training"] = ["Core", "Models"],
        ["Tracking"] = ["Core", "Experiment"],
        ["Recipes"] = ["Core", "Experiment", "Models", "Tracking", "Training"],
        ["Serving"] = ["Recipes"],
        ["Cli"] = ["Recipes", "Serving"],
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
    [InlineData("Formats")]
    [InlineData("Statistics")]
    [InlineData("Experiment")]
    [InlineData("Tracking")]
    public void A_room_without_tensors_does_not_refer_to_TorchSharp(string room)
    {
        Assert.DoesNotContain(References(room, "PackageReference"), p => p.Contains("torch", StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain(Sources(room), f => File.ReadAllText(f).Contains("using TorchSharp", StringComparison.Ordinal));
    }

    [Fact]
    public void No_folder_reaches_itself_through_the_folders_that_it_imports()
    {
        var imports = FolderImports();
        Assert.True(imports.Count > 40, $"only {imports.Count} folders were read");
        Assert.Empty(Cycles(imports));
    }

    [Fact]
    public void A_cycle_of_folders_is_found()
    {
        var imports = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal)
        {
            ["A"] = ["B"],
            ["B"] = ["C"],
            ["C"] = ["B"],
        };
        Assert.Equal(["B", "C"], Cycles(imports));
    }

    [Fact]
    public void A_namespace_is_its_folder()
    {
        var wrong = SourceFiles().Where(f => NamespaceOf(f) is { } name && name != FolderName(f)).Select(f => Path.GetRelativePath(Repository.Root, f));
        Assert.Empty(wrong);
    }

    [Fact]
    public void No_line_is_longer_than_160_columns()
    {
        var longLines = Directory
            .EnumerateFiles(Repository.Root, "*.cs", SearchOption.AllDirectories)
            .Where(IsOurs)
            .SelectMany(f => File.ReadLines(f).Select((line, i) => (Place: $"{Path.GetRelativePath(Repository.Root, f)}:{i + 1}", line.Length)))
            .Where(l => l.Length > 160)
            .Select(l => l.Place);
        Assert.Empty(longLines);
    }

    [Fact]
    public void The_command_line_holds_no_algorithm() =>
        Assert.DoesNotContain(Sources("Cli"), f => File.ReadAllText(f).Contains(".backward(", StringComparison.Ordinal));

    private static IEnumerable<string> References(string room, string kind) =>
        XDocument.Load(Repository.At("src", $"RlHarness.{room}", $"RlHarness.{room}.csproj")).Descendants(kind).Select(e => (string)e.Attribute("Include")!);

    private static IEnumerable<string> Sources(string room) =>
        Directory
            .EnumerateFiles(Repository.At("src", $"RlHarness.{room}"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal));

    private static IEnumerable<string> SourceFiles() =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories).Where(IsOurs);

    private static bool IsOurs(string file) => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin" or ".git" or "artifacts");

    private static string FolderName(string file) =>
        Path.GetRelativePath(Path.Combine(Repository.Root, "src"), Path.GetDirectoryName(file)!).Replace(Path.DirectorySeparatorChar, '.');

    private static string? NamespaceOf(string file) =>
        File.ReadLines(file)
            .Where(l => l.StartsWith("namespace ", StringComparison.Ordinal))
            .Select(l => l["namespace ".Length..].TrimEnd(';'))
            .FirstOrDefault();

    // Folder to the folders that its files import by a using line.
    private static Dictionary<string, HashSet<string>> FolderImports()
    {
        var imports = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var file in SourceFiles())
        {
            var folder = FolderName(file);
            if (!imports.TryGetValue(folder, out var targets))
                imports[folder] = targets = new HashSet<string>(StringComparer.Ordinal);
            foreach (var line in File.ReadLines(file).TakeWhile(l => !l.StartsWith("namespace ", StringComparison.Ordinal)))
            {
                if (line.StartsWith("using RlHarness.", StringComparison.Ordinal) && line["using ".Length..].TrimEnd(';') is var target && target != folder)
                    targets.Add(target);
            }
        }

        return imports;
    }

    // Folders from which a walk along imports comes back to where it started.
    private static IEnumerable<string> Cycles(Dictionary<string, HashSet<string>> imports) =>
        imports.Keys.Where(start => Reached(imports, start).Contains(start)).Order(StringComparer.Ordinal);

    private static HashSet<string> Reached(Dictionary<string, HashSet<string>> imports, string start)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>([start]);
        while (open.TryPop(out var at))
        {
            foreach (var next in imports.GetValueOrDefault(at, []))
            {
                if (reached.Add(next))
                    open.Push(next);
            }
        }

        return reached;
    }
}
