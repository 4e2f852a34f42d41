"""Which files are read, and which are a problem by being there."""

import pytest

from analytics.config import Access, Config, load
from analytics.errors import ConfigError

LOOP = "name: triage\nteam: platform\nowner: dana\n"


def test_files_of_comments_and_lists_with_every_item_commented_out_say_nothing(write):
    files = {"policies/a.yaml": "policies:\n#  - name: cap\n", "loops/a.yaml": "# later\n", "channels.yaml": "", "owners.yaml": "rules:\n"}
    assert load(write(files)) == Config()


def test_hidden_files_and_readmes_are_nobodys_business(write):
    files = {"README.md": "", ".git/x": "", "policies/README.md": "", "policies/.a.yaml.swp": "", "loops/a.yaml": LOOP}
    assert len(load(write(files)).loops) == 1


def test_folders_are_read_through_links_as_mounted_config_maps_need(write, tmp_path):
    write({"..data/loops/a.yaml": LOOP})
    (tmp_path / "loops").symlink_to("..data/loops")
    assert [loop.name for loop in load(tmp_path).loops] == ["triage"]


@pytest.mark.parametrize(
    "file", ["policy.yaml", "policies/a.json", "policies/eu/a.yaml", "teams/a.yaml", "loops.yaml", "loops/loops/a.yaml"]
)
def test_a_file_that_nobody_would_read_is_a_problem(problems, file):
    (problem,) = problems({file: ""})
    assert ":1:1: unknown file: a config directory holds policies/*.yaml, " in problem


@pytest.mark.parametrize("file", ["access.yaml", "access.yml"])
@pytest.mark.parametrize("text", ["", "# nobody yet", "credentials:"])
def test_an_access_file_that_names_nobody_lets_nobody_in(write, tmp_path, file, text):
    write({file: text})
    assert load(tmp_path).access == Access()


def test_a_directory_that_is_not_there_is_a_problem(tmp_path):
    with pytest.raises(ConfigError, match=r"none:1:1: cannot be read \(No such file or directory\)"):
        load(tmp_path / "none")
