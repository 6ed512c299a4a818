using RlHarness.Core.Errors;
using RlHarness.Core.Settings;

namespace RlHarness.Core.Tests.Settings;

[Trait("kind", "contract")]
public sealed class SettingsFilesTests : IDisposable
{
    private readonly string _own = Path.Combine(AppContext.BaseDirectory, "configs");
    private readonly TemporaryFolder _folder = new();

    public SettingsFilesTests()
    {
        Directory.CreateDirectory(_own);
        File.WriteAllText(Path.Combine(_own, "shipped-for-test.yaml"), "name: a\n");
    }

    public void Dispose()
    {
        File.Delete(Path.Combine(_own, "shipped-for-test.yaml"));
        _folder.Dispose();
    }

    [Theory]
    [InlineData("configs/shipped-for-test.yaml")]
    [InlineData("shipped-for-test.yaml")]
    [InlineData("shipped-for-test")]
    public void A_file_that_came_with_the_program_is_found_from_any_folder(string name) =>
        Assert.Equal(Path.Combine(_own, "shipped-for-test.yaml"), Path.GetFullPath(SettingsFiles.Find(name)));

    [Fact]
    public void A_file_at_the_path_itself_comes_first()
    {
        var path = Path.Combine(_folder.Path, "shipped-for-test.yaml");
        File.WriteAllText(path, "name: b\n");
        Assert.Equal(path, SettingsFiles.Find(path));
    }

    [Fact]
    public void One_that_is_nowhere_is_refused_with_those_that_there_are()
    {
        var error = Assert.Throws<HarnessException>(() => SettingsFiles.Find("no-such"));
        Assert.Equal(ErrorKind.BadInput, error.Kind);
        Assert.Contains("configs/shipped-for-test.yaml", error.Message, StringComparison.Ordinal);
        Assert.Contains(_own, error.Message, StringComparison.Ordinal);
    }
}
